import { FormatError } from '@conclave/bytes';
import {
  type AnsweredMedia,
  answeredMediaOf,
  directionOf,
  formatParametersOf,
  repairPairsOf,
  sentRidsOf,
  ssrcsOf,
} from './answered-section.ts';
import type { MediaDirection } from './media-format.ts';
import { MainMid } from './offer.ts';
import {
  attributeOf,
  attributesOf,
  parseDecimal,
  parseSessionText,
  type SdpSection,
  type SdpSession,
} from './session-text.ts';

/** Most candidates that are kept of an answer; the rest is ignored. A client has a few for each of its interfaces. */
export const MAX_CANDIDATES = 200;

/** Largest data channel message of a peer that does not say (RFC 8841 §6.1). */
export const DEFAULT_MAX_MESSAGE_SIZE = 65_536;

/**
 * The same for a peer that answers in the older form, which knows no size: what libwebrtc takes then, and all
 * clients that use this form are made of it.
 */
export const OLDER_FORM_MAX_MESSAGE_SIZE = 262_144;

/** The client's microphone. */
export interface AnsweredAudio extends AnsweredMedia {
  /** SSRC of its packets; undefined when the answer does not say and only the first packet will. */
  readonly ssrc: number | undefined;
  /** It sends at a constant bit rate. */
  readonly cbr: boolean;
}

/** The client's camera or screen. */
export interface AnsweredVideo extends AnsweredMedia {
  /** Rids it sends with simulcast; empty without. */
  readonly rids: readonly string[];
  /** SSRCs of its video, without those of retransmissions. Usually empty with simulcast. */
  readonly ssrcs: readonly number[];
  /** Which SSRC carries retransmissions of which; usually empty with simulcast. */
  readonly repairs: readonly { readonly ssrc: number; readonly rtxSsrc: number }[];
  /** Retransmissions are agreed on. */
  readonly rtx: boolean;
}

/** A section in which the client receives. */
export interface AnsweredSlot extends AnsweredMedia {
  readonly kind: 'audio' | 'video';
}

/** What a server needs of an answer. */
export interface Answer {
  readonly ice: {
    readonly ufrag: string;
    readonly pwd: string;
    /** Values of `a=candidate` as written, at most {@link MAX_CANDIDATES}. */
    readonly candidates: readonly string[];
  };
  /** `value`: upper-case hexadecimal pairs joined by colons. */
  readonly fingerprint: { readonly algorithm: 'sha-256'; readonly value: string };
  /** `active`: the client sends the ClientHello. */
  readonly setup: 'active' | 'passive';
  readonly audio: AnsweredAudio;
  /** Undefined when the client rejected the section. */
  readonly video: AnsweredVideo | undefined;
  /** The receiving sections that the client accepted, in the order of the answer. */
  readonly slots: readonly AnsweredSlot[];
  readonly data: {
    /** Port of SCTP. */
    readonly port: number;
    /** Largest message the client takes, in bytes; `Infinity` for any. */
    readonly maxMessageSize: number;
  };
  /** The client's name for itself, at most 255 characters; undefined when it has none. */
  readonly tool: string | undefined;
}

/**
 * Reads a client's answer to an offer of `buildOffer`. Sections that the client rejected, or left out of the bundle,
 * count as absent. Transport attributes are taken from the audio section, else from the session.
 *
 * Throws `FormatError` when it cannot be read (see `parseSessionText`) or lacks what a call needs:
 * `audio-rejected`, `missing-opus`, `missing-rtcp-mux`, `missing-ice-ufrag`, `bad-ice-ufrag`, `missing-ice-pwd`,
 * `bad-ice-pwd`, `missing-fingerprint`, `missing-setup`, `bad-setup`, `data-rejected`, `missing-sctp-port`,
 * `not-bundled`, `duplicate-mid`, `duplicate-extension-id`, `payload-type-conflict`.
 */
export function parseAnswer(text: string): Answer {
  const session = parseSessionText(text);
  const accepted = acceptedSectionsOf(session);
  const audioSection = mainSectionOf(accepted, 'audio', MainMid.audio);
  if (audioSection === undefined) throw new FormatError('audio-rejected', 'no audio section was accepted');
  const videoSection = mainSectionOf(accepted, 'video', MainMid.video);
  const direction = directionOf(session.attributes) ?? 'sendrecv';
  const answer: Answer = {
    ...transportOf(session, audioSection),
    audio: audioOf(audioSection, direction),
    video: videoSection && videoOf(videoSection, direction),
    slots: slotsOf(
      accepted.filter((section) => section !== audioSection && section !== videoSection),
      direction,
    ),
    data: dataOf(accepted),
    tool: toolOf(session),
  };
  checkPayloadTypesAgree(answer);
  return answer;
}

function acceptedSectionsOf(session: SdpSession): readonly SdpSection[] {
  const bundle = attributesOf(session.attributes, 'group')
    .map((group) => group.trim().split(/ +/))
    .find(([semantics]) => semantics === 'BUNDLE');
  const bundled = bundle && new Set(bundle.slice(1));
  const mids = new Set<string>();
  const accepted: SdpSection[] = [];
  for (const section of session.sections) {
    const mid = midOf(section);
    if (mid !== '' && mids.has(mid)) throw new FormatError('duplicate-mid', 'two sections have the same mid');
    mids.add(mid);
    if (section.port === 0) continue;
    if (bundled === undefined || bundled.has(mid)) accepted.push(section);
    else if (mid === MainMid.audio) throw new FormatError('not-bundled', 'the audio section is not bundled');
  }
  return accepted;
}

function mainSectionOf(sections: readonly SdpSection[], kind: string, mid: string): SdpSection | undefined {
  return sections.find((section) => section.kind === kind && midOf(section) === mid);
}

function transportOf(
  session: SdpSession,
  section: SdpSection,
): Pick<Answer, 'ice' | 'fingerprint' | 'setup'> {
  if (attributeOf(section.attributes, 'rtcp-mux') === undefined) {
    throw new FormatError('missing-rtcp-mux', 'RTCP has to share the port of RTP');
  }
  const required = (name: string): string => {
    const value = attributeOf(section.attributes, name) ?? attributeOf(session.attributes, name);
    if (value === undefined) throw new FormatError(`missing-${name}`, `no a=${name}`);
    return value.trim();
  };
  const ufrag = required('ice-ufrag');
  const pwd = required('ice-pwd');
  // RFC 8839 §5.4.
  if (!/^[A-Za-z0-9+/]{4,256}$/.test(ufrag)) throw new FormatError('bad-ice-ufrag', 'not 4 to 256 ice-chars');
  if (!/^[A-Za-z0-9+/]{22,256}$/.test(pwd)) throw new FormatError('bad-ice-pwd', 'not 22 to 256 ice-chars');
  const setup = required('setup').toLowerCase();
  if (setup !== 'active' && setup !== 'passive') {
    throw new FormatError('bad-setup', 'an answer has to be active or passive');
  }
  const candidates = attributesOf(section.attributes, 'candidate').slice(0, MAX_CANDIDATES);
  return { ice: { ufrag, pwd, candidates }, fingerprint: fingerprintOf(session, section), setup };
}

function fingerprintOf(session: SdpSession, section: SdpSection): Answer['fingerprint'] {
  const own = attributesOf(section.attributes, 'fingerprint');
  for (const value of own.length > 0 ? own : attributesOf(session.attributes, 'fingerprint')) {
    const match = /^sha-256 +((?:[0-9a-f]{2}:){31}[0-9a-f]{2}) *$/i.exec(value);
    if (match) return { algorithm: 'sha-256', value: match[1]!.toUpperCase() };
  }
  throw new FormatError('missing-fingerprint', 'no SHA-256 fingerprint');
}

function audioOf(section: SdpSection, fallback: MediaDirection): AnsweredAudio {
  const media = answeredMediaOf(section, midOf(section), 'opus/48000', fallback);
  if (media === undefined) throw new FormatError('missing-opus', 'Opus was not accepted');
  return {
    ...media,
    ssrc: ssrcsOf(section)[0],
    cbr: formatParametersOf(section, media.payloadType).get('cbr') === '1',
  };
}

function videoOf(section: SdpSection, fallback: MediaDirection): AnsweredVideo | undefined {
  const media = answeredMediaOf(section, midOf(section), 'VP8/90000', fallback);
  if (media === undefined) return undefined;
  const repairs = repairPairsOf(section);
  const rtxSsrcs = new Set(repairs.map((pair) => pair.rtxSsrc));
  return {
    ...media,
    rids: sentRidsOf(section),
    ssrcs: ssrcsOf(section).filter((ssrc) => !rtxSsrcs.has(ssrc)),
    repairs,
    rtx: media.rtxPayloadType !== undefined,
  };
}

function slotsOf(sections: readonly SdpSection[], fallback: MediaDirection): readonly AnsweredSlot[] {
  const slots: AnsweredSlot[] = [];
  for (const section of sections) {
    const { kind } = section;
    if (kind !== 'audio' && kind !== 'video') continue;
    const codec = kind === 'audio' ? 'opus/48000' : 'VP8/90000';
    const media = answeredMediaOf(section, midOf(section), codec, fallback);
    const receives = media?.direction === 'recvonly' || media?.direction === 'sendrecv';
    if (media && receives && media.mid !== '') slots.push({ ...media, kind });
  }
  return slots;
}

function dataOf(sections: readonly SdpSection[]): Answer['data'] {
  const section = sections.find((candidate) => candidate.kind === 'application');
  if (section === undefined) throw new FormatError('data-rejected', 'no data channel section was accepted');
  // The newer form has a=sctp-port, the older one names the port in the m= line.
  const portText = attributeOf(section.attributes, 'sctp-port');
  const port = parseDecimal(portText ?? section.formats[0], 65_535);
  if (!port) throw new FormatError('missing-sctp-port', 'no port of SCTP');
  const size = parseDecimal(attributeOf(section.attributes, 'max-message-size'), Number.MAX_SAFE_INTEGER);
  const unstated = portText === undefined ? OLDER_FORM_MAX_MESSAGE_SIZE : DEFAULT_MAX_MESSAGE_SIZE;
  return { port, maxMessageSize: size === 0 ? Number.POSITIVE_INFINITY : (size ?? unstated) };
}

function toolOf(session: SdpSession): string | undefined {
  return attributeOf(session.attributes, 'tool')
    ?.slice(0, 255)
    .replace(/\p{Cc}/gu, '?');
}

/** All sections share one transport: a payload type must mean one thing in all of them (RFC 9143 §9.1). */
function checkPayloadTypesAgree(answer: Answer): void {
  const media = [answer.audio, ...(answer.video ? [answer.video] : []), ...answer.slots];
  const codecs = new Map<number, string>();
  const claim = (payloadType: number | undefined, codec: string): void => {
    if (payloadType === undefined) return;
    if ((codecs.get(payloadType) ?? codec) !== codec) {
      throw new FormatError('payload-type-conflict', `payload type ${payloadType} means two things`);
    }
    codecs.set(payloadType, codec);
  };
  for (const section of media) {
    const isAudio = section === answer.audio || ('kind' in section && section.kind === 'audio');
    claim(section.payloadType, isAudio ? 'opus' : 'vp8');
    claim(section.rtxPayloadType, isAudio ? 'opus-rtx' : 'vp8-rtx');
  }
}

function midOf(section: SdpSection): string {
  return (attributeOf(section.attributes, 'mid') ?? '').trim();
}
