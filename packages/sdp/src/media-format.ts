/** RTP payload types of the offer. An answer may leave one out but not give it another number (RFC 3264 §6.1). */
export const PayloadType = { opus: 111, vp8: 100, rtx: 101 } as const;

/**
 * Ids of the offered RTP header extensions. They are the numbers the reference server uses, because some clients
 * look for those without reading the offer. An answer may leave one out but not renumber it (RFC 8285 §6).
 */
export const ExtensionId = {
  audioLevel: 1,
  absSendTime: 2,
  transportSequence: 3,
  rid: 4,
  repairedRid: 5,
  dependencyDescriptor: 6,
  genericFrameDescriptor: 11,
} as const;

/** Name of an RTP header extension. */
export type ExtensionName = keyof typeof ExtensionId;

/** What each extension is called in a description. */
export const EXTENSION_URIS: Readonly<Record<ExtensionName, string>> = {
  /** RFC 6464. */
  audioLevel: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  absSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  transportSequence: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  /** RFC 8852 §3.1. */
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  /** RFC 8852 §3.2. */
  repairedRid: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  dependencyDescriptor:
    'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
  genericFrameDescriptor: 'http://www.webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00',
};

/** Ids of the extensions in use, by name; those left out are not in use. */
export type ExtensionIds = Readonly<Partial<Record<ExtensionName, number>>>;

/** Direction of a media section, seen from the one who wrote the description (RFC 8866 §6.7). */
export type MediaDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';
