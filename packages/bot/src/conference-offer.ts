import { FormatError } from '@conclave/bytes';
import {
  type AnsweredMedia,
  answeredMediaOf,
  attributeOf,
  attributesOf,
  ExtensionId,
  MainMid,
  parseSessionText,
  repairPairsOf,
  type SdpSection,
  ssrcsOf,
} from '@conclave/sdp';

/** A slot of the offer in which a bot receives. */
export interface OfferedSlot {
  readonly kind: 'audio' | 'video';
  readonly mid: string;
  readonly ssrc: number;
  readonly rtxSsrc: number | undefined;
  /** Codec, extensions and feedback. */
  readonly media: AnsweredMedia;
}

/** What a bot needs of a server's offer. */
export interface ConferenceOffer {
  readonly ice: { readonly ufrag: string; readonly pwd: string; readonly candidates: readonly string[] };
  /** SHA-256, upper-case hexadecimal pairs joined by colons. */
  readonly fingerprint: string;
  readonly audio: AnsweredMedia;
  /** Undefined when the server takes no video. */
  readonly video: AnsweredMedia | undefined;
  readonly slots: readonly OfferedSlot[];
  /** All sections in order, for the answer. */
  readonly sections: readonly SdpSection[];
  /** Value of `a=group` that bundles the sections. */
  readonly bundle: string;
}

/**
 * Reads a server's offer. Throws {@link FormatError}: those of `parseSessionText`, and `not-bundled`, `missing-audio`,
 * `missing-ice`, `missing-fingerprint`, `missing-slot-ssrc`.
 */
export function readConferenceOffer(text: string): ConferenceOffer {
  const session = parseSessionText(text);
  const bundle = attributesOf(session.attributes, 'group').find((group) => group.startsWith('BUNDLE '));
  if (bundle === undefined) throw new FormatError('not-bundled', 'the offer does not bundle its sections');
  const section = sectionOf(session.sections, MainMid.audio);
  const audio = section && answeredMediaOf(section, MainMid.audio, 'opus/48000', 'sendrecv');
  if (section === undefined || audio === undefined) {
    throw new FormatError('missing-audio', 'the offer has no section for the voice');
  }
  const transport = (name: string): string | undefined =>
    attributeOf(section.attributes, name) ?? attributeOf(session.attributes, name);
  const ufrag = transport('ice-ufrag');
  const pwd = transport('ice-pwd');
  if (ufrag === undefined || pwd === undefined)
    throw new FormatError('missing-ice', 'the offer has no ICE credentials');
  const fingerprint = /^sha-256 +((?:[0-9a-f]{2}:){31}[0-9a-f]{2}) *$/i.exec(
    transport('fingerprint') ?? '',
  )?.[1];
  if (fingerprint === undefined)
    throw new FormatError('missing-fingerprint', 'the offer has no SHA-256 fingerprint');
  const videoSection = sectionOf(session.sections, MainMid.video);
  return {
    ice: { ufrag, pwd, candidates: attributesOf(section.attributes, 'candidate') },
    fingerprint: fingerprint.toUpperCase(),
    audio,
    video: videoSection && answeredMediaOf(videoSection, MainMid.video, 'VP8/90000', 'sendrecv'),
    slots: session.sections.flatMap(slotOf),
    sections: session.sections,
    bundle,
  };
}

/** What goes into a bot's answer. */
export interface AnswerParts {
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprint: string;
  /** Values of `a=candidate`. */
  readonly candidates: readonly string[];
  readonly cname: string;
  readonly audioSsrc: number;
  /** Absent: it sends no video. */
  readonly video: { readonly ssrc: number; readonly rtxSsrc: number } | undefined;
}

/** The answer to an offer: every section taken as offered, but no simulcast, and no transport-wide feedback. */
export function writeConferenceAnswer(offer: ConferenceOffer, parts: AnswerParts): string {
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 0.0.0.0',
    't=0 0',
    `a=group:${offer.bundle}`,
  ];
  lines.push('a=tool:conclave-bot', 'a=extmap-allow-mixed');
  for (const section of offer.sections) {
    const mid = midOf(section);
    lines.push(`m=${section.kind} 9 ${section.protocol} ${section.formats.join(' ')}`, `a=mid:${mid}`);
    lines.push(`a=ice-ufrag:${parts.ufrag}`, `a=ice-pwd:${parts.pwd}`);
    lines.push(`a=fingerprint:sha-256 ${parts.fingerprint}`, 'a=setup:active');
    if (mid === MainMid.audio)
      lines.push(...parts.candidates.map((c) => `a=candidate:${c}`), 'a=end-of-candidates');
    lines.push(...(section.kind === 'application' ? dataLines(section) : mediaLines(section, mid, parts)));
  }
  return `${lines.join('\r\n')}\r\n`;
}

const COPIED_ATTRIBUTES = ['rtpmap', 'fmtp', 'rtcp-fb', 'extmap'];

function dataLines(section: SdpSection): readonly string[] {
  const copied = section.attributes.filter(({ name }) => name === 'sctpmap' || name === 'sctp-port');
  return [
    'a=sendrecv',
    ...copied.map(({ name, value }) => `a=${name}:${value}`),
    'a=max-message-size:262144',
  ];
}

function mediaLines(section: SdpSection, mid: string, parts: AnswerParts): readonly string[] {
  const isAccepted = ({ name, value }: { name: string; value: string }): boolean => {
    if (!COPIED_ATTRIBUTES.includes(name) || value.endsWith(' transport-cc')) return false;
    // Transport-wide numbers are of use only to who adapts to the feedback on them.
    return name !== 'extmap' || Number.parseInt(value, 10) !== ExtensionId.transportSequence;
  };
  const lines = section.attributes.filter(isAccepted).map(({ name, value }) => `a=${name}:${value}`);
  return ['a=rtcp-mux', ...lines, ...directionLines(mid, parts)];
}

function directionLines(mid: string, { audioSsrc, video, cname }: AnswerParts): readonly string[] {
  if (mid === MainMid.audio) return ['a=sendrecv', `a=ssrc:${audioSsrc} cname:${cname}`];
  if (mid !== MainMid.video) return ['a=recvonly'];
  if (video === undefined) return ['a=inactive'];
  const { ssrc, rtxSsrc } = video;
  return [
    'a=sendonly',
    `a=ssrc-group:FID ${ssrc} ${rtxSsrc}`,
    `a=ssrc:${ssrc} cname:${cname}`,
    `a=ssrc:${rtxSsrc} cname:${cname}`,
  ];
}

function slotOf(section: SdpSection): readonly OfferedSlot[] {
  const mid = midOf(section);
  const { kind } = section;
  if (mid === MainMid.audio || mid === MainMid.video || (kind !== 'audio' && kind !== 'video')) return [];
  const media = answeredMediaOf(section, mid, kind === 'audio' ? 'opus/48000' : 'VP8/90000', 'sendonly');
  if (media === undefined) return [];
  const ssrc = ssrcsOf(section)[0];
  if (ssrc === undefined) throw new FormatError('missing-slot-ssrc', 'a slot of the offer has no SSRC');
  const rtxSsrc = repairPairsOf(section).find((pair) => pair.ssrc === ssrc)?.rtxSsrc;
  return [{ kind, mid, ssrc, rtxSsrc, media }];
}

function sectionOf(sections: readonly SdpSection[], mid: string): SdpSection | undefined {
  return sections.find((section) => midOf(section) === mid && section.port !== 0);
}

function midOf(section: SdpSection): string {
  return (attributeOf(section.attributes, 'mid') ?? '').trim();
}
