import { EXTENSION_URIS, ExtensionId, type ExtensionName, PayloadType } from './media-format.ts';

/** Mids of the three sections that every offer has. Clients look for `video` by this name. */
export const MainMid = { audio: 'audio', video: 'video', data: 'data' } as const;

/** One place of the offer in which the server sends media of changing participants. */
export interface Slot {
  /** Mid of its section; `1`, `2`, ... in order over all slots. */
  readonly mid: string;
  /** SSRC of everything that the server sends in it. Clients find the track of a packet by it. */
  readonly ssrc: number;
  /** SSRC of retransmissions (RFC 4588); for video slots. */
  readonly rtxSsrc?: number;
  /** Stream id, track id and canonical name in one: at most {@link MAX_SLOT_ID_LENGTH} letters, digits, `-` or `_`. */
  readonly id: string;
}

/** Longest {@link Slot.id}. It is written up to six times for each slot. */
export const MAX_SLOT_ID_LENGTH = 8;

/** What goes into an offer. */
export interface OfferOptions {
  /** Session id of the `o=` line: decimal, below 2^63. */
  readonly sessionId: string;
  /** Address of the `o=` and `c=` lines, IPv4 or IPv6. Nothing is sent to it. */
  readonly originAddress: string;
  /**
   * Value of `a=tool`. Clients look for `sftd` and a version of at least 2.1, such as `sftd 5.0.1`; by any other
   * name they expect a renegotiation for each participant.
   */
  readonly tool: string;
  readonly ufrag: string;
  readonly pwd: string;
  /** SHA-256 fingerprint of our certificate: upper-case hexadecimal pairs joined by colons. */
  readonly fingerprint: string;
  /** Values of `a=candidate`, without the prefix. All there are: none follow later. */
  readonly candidates: readonly string[];
  /** Default `actpass`, as an offer has to be (RFC 8842 §5.2). */
  readonly setup?: 'actpass' | 'active' | 'passive';
  /** SSRC of our feedback about the client's own video. */
  readonly mainVideoSsrc: number;
  /** Ask for the video in two layers, rid `l` and `h` (RFC 8853). */
  readonly simulcast: boolean;
  readonly audioSlots: readonly Slot[];
  readonly videoSlots: readonly Slot[];
  /** Largest data channel message we take, in bytes (RFC 8841 §6). */
  readonly maxMessageSize: number;
  /** Offer retransmission of audio (`nack`). Default false: at 40 ms a packet it mostly comes too late. */
  readonly audioNack?: boolean;
  /**
   * Form of the data section. `sctpmap` (default) is the older one, which every client of Wire knows. With it
   * Chromium does not read the message size and sends at most 65,536 bytes a message, though it takes 262,144;
   * with `sctp-port` (RFC 8841) it sends what we take.
   */
  readonly dataForm?: 'sctpmap' | 'sctp-port';
  /** Offer the dependency descriptor. Default false: it costs bytes in each packet beside the generic descriptor. */
  readonly dependencyDescriptor?: boolean;
}

/** The transport lines that all sections share; only the first section's count once they are bundled. */
type TransportLines = readonly string[];

/**
 * The offer of one leg: `audio`, `video` and `data`, then the audio slots and the video slots. CRLF line ends.
 *
 * Every section repeats the transport although BUNDLE makes that unnecessary (RFC 9143 §7.1.3): clients run the text
 * through parsers of their own. Throws `TypeError` on an option that would break a line.
 */
export function buildOffer(options: OfferOptions): string {
  const family = options.originAddress.includes(':') ? 'IP6' : 'IP4';
  const slots = [...options.audioSlots, ...options.videoSlots];
  for (const slot of slots) checkSlot(slot);
  const mids = [MainMid.audio, MainMid.video, MainMid.data, ...slots.map((slot) => slot.mid)];
  const transport = [
    `a=ice-ufrag:${options.ufrag}`,
    `a=ice-pwd:${options.pwd}`,
    `a=fingerprint:sha-256 ${options.fingerprint}`,
    `a=setup:${options.setup ?? 'actpass'}`,
  ];
  const lines = [
    'v=0',
    `o=- ${options.sessionId} 1 IN ${family} ${options.originAddress}`,
    's=-',
    `c=IN ${family} ${options.originAddress}`,
    't=0 0',
    `a=tool:${options.tool}`,
    'a=extmap-allow-mixed',
    'a=ice-options:trickle',
    `a=group:BUNDLE ${mids.join(' ')}`,
    ...mainAudioLines(options, transport),
    ...mainVideoLines(options, transport),
    ...dataLines(options, transport),
    ...options.audioSlots.flatMap((slot) => audioSlotLines(options, slot, transport)),
    ...options.videoSlots.flatMap((slot) => videoSlotLines(options, slot, transport)),
  ];
  for (const line of lines) {
    if (/[\r\n]/.test(line)) throw new TypeError('an option of the offer holds a line break');
  }
  return `${lines.join('\r\n')}\r\n`;
}

function mainAudioLines(options: OfferOptions, transport: TransportLines): readonly string[] {
  return [
    ...audioCodecLines(options, true),
    'a=sendrecv',
    // 40 ms packets halve the packet rate of the whole conference against the default of 20 ms.
    'a=ptime:40',
    `a=mid:${MainMid.audio}`,
    ...audioExtensionLines(true),
    'a=rtcp-mux',
    ...transport,
    ...options.candidates.map((candidate) => `a=candidate:${candidate}`),
    'a=end-of-candidates',
  ];
}

function mainVideoLines(options: OfferOptions, transport: TransportLines): readonly string[] {
  const ssrc = options.mainVideoSsrc;
  const lines = [
    ...videoCodecLines(true),
    'a=sendrecv',
    `a=mid:${MainMid.video}`,
    ...extensionLines([
      'absSendTime',
      'transportSequence',
      'rid',
      'repairedRid',
      ...frameDescriptors(options),
    ]),
    'a=rtcp-mux',
    'a=rtcp-rsize',
    ...transport,
    // At least one section needs a=msid of its own: without any, Chromium answers in a style without simulcast.
    'a=msid:sft video',
    `a=ssrc:${ssrc} cname:sft`,
    `a=ssrc:${ssrc} msid:sft video`,
  ];
  // Clients look for the text `recv l;h` as a whole.
  if (options.simulcast) lines.push('a=rid:l recv', 'a=rid:h recv', 'a=simulcast:recv l;h');
  return lines;
}

function dataLines(options: OfferOptions, transport: TransportLines): readonly string[] {
  const newer = options.dataForm === 'sctp-port';
  return [
    newer ? 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel' : 'm=application 9 DTLS/SCTP 5000',
    'a=sendrecv',
    `a=mid:${MainMid.data}`,
    ...transport,
    newer ? 'a=sctp-port:5000' : 'a=sctpmap:5000 webrtc-datachannel 16',
    `a=max-message-size:${options.maxMessageSize}`,
  ];
}

function audioSlotLines(options: OfferOptions, slot: Slot, transport: TransportLines): readonly string[] {
  return [
    ...audioCodecLines(options, false),
    'a=sendonly',
    `a=mid:${slot.mid}`,
    ...audioExtensionLines(false),
    'a=rtcp-mux',
    ...transport,
    ...sourceLines(slot.ssrc, slot.id),
  ];
}

function videoSlotLines(options: OfferOptions, slot: Slot, transport: TransportLines): readonly string[] {
  const lines = [
    ...videoCodecLines(false),
    'a=sendonly',
    `a=mid:${slot.mid}`,
    ...extensionLines(['absSendTime', ...frameDescriptors(options)]),
    'a=rtcp-mux',
    'a=rtcp-rsize',
    ...transport,
    ...sourceLines(slot.ssrc, slot.id),
  ];
  if (slot.rtxSsrc !== undefined) {
    lines.push(`a=ssrc-group:FID ${slot.ssrc} ${slot.rtxSsrc}`, ...sourceLines(slot.rtxSsrc, slot.id));
  }
  return lines;
}

/**
 * Transport-wide feedback is offered where the client sends; what we send carries no transport sequence numbers. Audio
 * has it too: a browser whose camera is not ready yet probes its bandwidth with padding on the audio, and if that goes
 * unacknowledged it starts no high layer for a long time.
 */
function audioCodecLines(options: OfferOptions, transportFeedback: boolean): readonly string[] {
  const pt = PayloadType.opus;
  const lines = [
    `m=audio 9 UDP/TLS/RTP/SAVPF ${pt}`,
    `a=rtpmap:${pt} opus/48000/2`,
    `a=fmtp:${pt} stereo=0;sprop-stereo=0;useinbandfec=1;cbr=1`,
  ];
  if (options.audioNack) lines.push(`a=rtcp-fb:${pt} nack`);
  if (transportFeedback) lines.push(`a=rtcp-fb:${pt} transport-cc`);
  return lines;
}

function videoCodecLines(transportFeedback: boolean): readonly string[] {
  const { vp8, rtx } = PayloadType;
  return [
    `m=video 9 UDP/TLS/RTP/SAVPF ${vp8} ${rtx}`,
    `a=rtpmap:${vp8} VP8/90000`,
    ...(transportFeedback ? [`a=rtcp-fb:${vp8} transport-cc`] : []),
    `a=rtcp-fb:${vp8} ccm fir`,
    `a=rtcp-fb:${vp8} nack`,
    `a=rtcp-fb:${vp8} nack pli`,
    `a=rtpmap:${rtx} rtx/90000`,
    `a=fmtp:${rtx} apt=${vp8}`,
  ];
}

function audioExtensionLines(transportFeedback: boolean): readonly string[] {
  const [level, ...others] = extensionLines(
    transportFeedback ? ['audioLevel', 'absSendTime', 'transportSequence'] : ['audioLevel', 'absSendTime'],
  );
  return [`${level} vad=on`, ...others];
}

function frameDescriptors(options: OfferOptions): readonly ExtensionName[] {
  return options.dependencyDescriptor
    ? ['dependencyDescriptor', 'genericFrameDescriptor']
    : ['genericFrameDescriptor'];
}

function extensionLines(names: readonly ExtensionName[]): readonly string[] {
  return names.map((name) => `a=extmap:${ExtensionId[name]} ${EXTENSION_URIS[name]}`);
}

function sourceLines(ssrc: number, id: string): readonly string[] {
  // Clients match `ssrc:<digits> msid:<stream> <track>` to find the track of an SSRC: exactly two ids.
  return [`a=ssrc:${ssrc} cname:${id}`, `a=ssrc:${ssrc} msid:${id} ${id}`];
}

function checkSlot(slot: Slot): void {
  if (!/^[A-Za-z0-9_-]+$/.test(slot.id) || slot.id.length > MAX_SLOT_ID_LENGTH) {
    throw new TypeError(`a slot id is 1 to ${MAX_SLOT_ID_LENGTH} letters, digits, - or _`);
  }
}
