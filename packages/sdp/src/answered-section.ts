import { FormatError } from '@conclave/bytes';
import {
  EXTENSION_URIS,
  ExtensionId,
  type ExtensionIds,
  type ExtensionName,
  type MediaDirection,
} from './media-format.ts';
import {
  attributeOf,
  attributesOf,
  parseDecimal,
  type SdpAttribute,
  type SdpSection,
} from './session-text.ts';

/** Feedback messages that the peer understands about the media it gets, and expects about what it sends. */
export interface AnsweredFeedback {
  /** Generic NACK (RFC 4585 §6.2.1). */
  readonly nack: boolean;
  /** Picture loss indication (RFC 4585 §6.3.1). */
  readonly pli: boolean;
  /** Full intra request (RFC 5104 §4.3.1). */
  readonly fir: boolean;
  /** Transport-wide congestion control feedback. */
  readonly transportCc: boolean;
}

/** What an answer agrees to in one section of audio or video. */
export interface AnsweredMedia {
  readonly mid: string;
  /** As the client sees it: `sendonly` means that it sends. */
  readonly direction: MediaDirection;
  /** Of Opus or VP8. */
  readonly payloadType: number;
  /** Of retransmissions of {@link AnsweredMedia.payloadType}; undefined when not agreed on. */
  readonly rtxPayloadType: number | undefined;
  readonly extensions: ExtensionIds;
  readonly feedback: AnsweredFeedback;
}

const MAX_EXTENSION_ID = 255;
const MAX_RIDS = 8;
const MAX_SSRCS = 16;
const MAX_SSRC = 0xffffffff;

const EXTENSION_NAMES: ReadonlyMap<string, ExtensionName> = new Map(
  Object.entries(EXTENSION_URIS).map(([name, uri]) => [uri, name as ExtensionName]),
);

/**
 * What the section agrees to for the codec (`opus/48000` or `VP8/90000`), or undefined when it lacks that codec.
 * `fallback` is the session's own direction. Throws `FormatError` `duplicate-extension-id`.
 */
export function answeredMediaOf(
  section: SdpSection,
  mid: string,
  codec: string,
  fallback: MediaDirection,
): AnsweredMedia | undefined {
  const payloadType = payloadTypeOf(section, codec);
  if (payloadType === undefined) return undefined;
  return {
    mid,
    direction: directionOf(section.attributes) ?? fallback,
    payloadType,
    rtxPayloadType: rtxPayloadTypeOf(section, payloadType, codec),
    extensions: extensionsOf(section.attributes),
    feedback: feedbackOf(section.attributes, payloadType),
  };
}

/** The direction that the attributes name, if any. */
export function directionOf(attributes: readonly SdpAttribute[]): MediaDirection | undefined {
  for (const { name } of attributes) {
    if (name === 'sendrecv' || name === 'sendonly' || name === 'recvonly' || name === 'inactive') return name;
  }
  return undefined;
}

/** Parameters of a payload type (`a=fmtp`), in lower case; of one that occurs twice the first counts. */
export function formatParametersOf(section: SdpSection, payloadType: number): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const value of attributesOf(section.attributes, 'fmtp')) {
    const [pt, text] = splitFirst(value);
    if (parseDecimal(pt, 127) !== payloadType) continue;
    for (const parameter of text.split(';')) {
      const equals = parameter.indexOf('=');
      const name = (equals < 0 ? parameter : parameter.slice(0, equals)).trim().toLowerCase();
      if (name !== '' && !parameters.has(name)) {
        parameters.set(name, equals < 0 ? '' : parameter.slice(equals + 1).trim());
      }
    }
  }
  return parameters;
}

/** SSRCs of `a=ssrc` lines in order of appearance, each once, at most 16. */
export function ssrcsOf(section: SdpSection): readonly number[] {
  const ssrcs = new Set<number>();
  for (const value of attributesOf(section.attributes, 'ssrc')) {
    const ssrc = parseDecimal(splitFirst(value)[0], MAX_SSRC);
    if (ssrc !== undefined && ssrc !== 0 && ssrcs.size < MAX_SSRCS) ssrcs.add(ssrc);
  }
  return [...ssrcs];
}

/** Pairs of a source and its retransmissions (`a=ssrc-group:FID`, RFC 5576 §4.2), at most 16. */
export function repairPairsOf(
  section: SdpSection,
): readonly { readonly ssrc: number; readonly rtxSsrc: number }[] {
  const pairs: { ssrc: number; rtxSsrc: number }[] = [];
  for (const value of attributesOf(section.attributes, 'ssrc-group')) {
    const [semantics, first, second] = value.split(' ');
    const ssrc = parseDecimal(first, MAX_SSRC);
    const rtxSsrc = parseDecimal(second, MAX_SSRC);
    if (semantics === 'FID' && ssrc && rtxSsrc && ssrc !== rtxSsrc && pairs.length < MAX_SSRCS) {
      pairs.push({ ssrc, rtxSsrc });
    }
  }
  return pairs;
}

/** Rids that the client sends (`a=simulcast:send`, RFC 8853 §5.1, with their `a=rid` lines), in order, at most 8. */
export function sentRidsOf(section: SdpSection): readonly string[] {
  const declared = new Set<string>();
  for (const value of attributesOf(section.attributes, 'rid')) {
    const [rid, direction] = value.split(' ');
    if (direction === 'send' && /^[A-Za-z0-9_-]{1,16}$/.test(rid!)) declared.add(rid!);
  }
  const words = (attributeOf(section.attributes, 'simulcast') ?? '').trim().split(/ +/);
  const list = words[words.indexOf('send') + 1];
  if (!words.includes('send') || list === undefined) return [];
  // `~` marks a stream that starts paused, a comma alternatives of one stream, of which the first is the preferred.
  const rids = list.split(';').map((stream) => stream.split(',', 1)[0]!.replace(/^~/, ''));
  return [...new Set(rids)].filter((rid) => declared.has(rid)).slice(0, MAX_RIDS);
}

function payloadTypeOf(section: SdpSection, codec: string): number | undefined {
  const wanted = codec.toLowerCase();
  for (const value of attributesOf(section.attributes, 'rtpmap')) {
    const [pt, encoding] = splitFirst(value);
    const name = encoding.toLowerCase();
    if ((name === wanted || name.startsWith(`${wanted}/`)) && section.formats.includes(pt)) {
      const payloadType = parseDecimal(pt, 127);
      if (payloadType !== undefined) return payloadType;
    }
  }
  return undefined;
}

function rtxPayloadTypeOf(section: SdpSection, payloadType: number, codec: string): number | undefined {
  const repairing = new Set<string>();
  for (const value of attributesOf(section.attributes, 'fmtp')) {
    const [pt, parameters] = splitFirst(value);
    const apt = /(?:^|;) *apt=([0-9]{1,3})(?: *;|$)/.exec(parameters)?.[1];
    if (parseDecimal(apt, 127) === payloadType) repairing.add(pt);
  }
  const encoding = `rtx/${codec.slice(codec.indexOf('/') + 1)}`;
  for (const value of attributesOf(section.attributes, 'rtpmap')) {
    const [pt, name] = splitFirst(value);
    const rtx = parseDecimal(pt, 127);
    const isRepair = repairing.has(pt) && name.toLowerCase() === encoding && section.formats.includes(pt);
    if (rtx !== undefined && rtx !== payloadType && isRepair) return rtx;
  }
  return undefined;
}

function extensionsOf(attributes: readonly SdpAttribute[]): ExtensionIds {
  const ids: Partial<Record<ExtensionName, number>> = {};
  const taken = new Set<number>();
  for (const value of attributesOf(attributes, 'extmap')) {
    const [mapping, rest] = splitFirst(value);
    const [idText, direction] = mapping.split('/');
    const id = parseDecimal(idText, MAX_EXTENSION_ID);
    const name = EXTENSION_NAMES.get(splitFirst(rest)[0]);
    if (!id || name === undefined || direction === 'inactive' || ids[name] !== undefined) continue;
    if (taken.has(id)) throw new FormatError('duplicate-extension-id', `extension id ${id} is used twice`);
    taken.add(id);
    // An answer keeps the numbers of the offer (RFC 8285 §6); what it renumbers is not agreed on.
    if (id === ExtensionId[name]) ids[name] = id;
  }
  return ids;
}

function feedbackOf(attributes: readonly SdpAttribute[], payloadType: number): AnsweredFeedback {
  const kinds = new Set<string>();
  for (const value of attributesOf(attributes, 'rtcp-fb')) {
    const [pt, kind] = splitFirst(value);
    if (pt === '*' || parseDecimal(pt, 127) === payloadType) kinds.add(kind.trim());
  }
  return {
    nack: kinds.has('nack'),
    pli: kinds.has('nack pli'),
    fir: kinds.has('ccm fir'),
    transportCc: kinds.has('transport-cc'),
  };
}

function splitFirst(text: string): readonly [first: string, rest: string] {
  const space = text.indexOf(' ');
  return space < 0 ? [text, ''] : [text.slice(0, space), text.slice(space + 1)];
}
