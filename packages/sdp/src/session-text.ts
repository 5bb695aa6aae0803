import { FormatError } from '@conclave/bytes';

// A hand-written line reader instead of a library: those at hand match each line against hundreds of patterns, take
// any number of lines and sections, and turn attribute names into properties. Here nothing depends on names from the
// peer, work is linear in the text, and the bounds come first.

/** Longest description that is read, in characters. Clients write no longer ones. */
export const MAX_DESCRIPTION_LENGTH = 32_768;

/** Most lines of a description. */
export const MAX_LINES = 2000;

/** Most media sections. An offer has at most forty. */
export const MAX_SECTIONS = 64;

/** An `a=` line. `value` is `''` for one that is a mere flag. */
export interface SdpAttribute {
  readonly name: string;
  readonly value: string;
}

/** A media section: its `m=` line (RFC 8866 §5.14) and its attributes in order. */
export interface SdpSection {
  /** `audio`, `video`, `application`, or whatever the peer wrote. */
  readonly kind: string;
  /** 0 for a section that was rejected (RFC 3264 §6). */
  readonly port: number;
  readonly protocol: string;
  /** Payload types, or the port of SCTP, as written. */
  readonly formats: readonly string[];
  readonly attributes: readonly SdpAttribute[];
}

/** A session description as read: session-level attributes and sections. Other lines are not kept. */
export interface SdpSession {
  readonly attributes: readonly SdpAttribute[];
  readonly sections: readonly SdpSection[];
}

/**
 * Reads a session description (RFC 8866). Lines may end in CRLF or LF.
 *
 * Throws `FormatError`: `sdp-too-long`, `too-many-lines`, `too-many-sections`, `not-sdp` when it does not begin
 * with `v=0`, `bad-line`, `bad-media-line`.
 */
export function parseSessionText(text: string): SdpSession {
  if (text.length > MAX_DESCRIPTION_LENGTH) {
    throw new FormatError('sdp-too-long', `${text.length} characters, limit ${MAX_DESCRIPTION_LENGTH}`);
  }
  const lines = text.split('\n', MAX_LINES + 2);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length > MAX_LINES) throw new FormatError('too-many-lines', `limit ${MAX_LINES}`);
  if (withoutCarriageReturn(lines[0] ?? '') !== 'v=0')
    throw new FormatError('not-sdp', 'does not begin with v=0');
  const attributes: SdpAttribute[] = [];
  const sections: SdpSection[] = [];
  let current = attributes;
  for (const raw of lines) {
    const line = withoutCarriageReturn(raw);
    if (line.length < 2 || line.charAt(1) !== '=' || line.includes('\r') || line.includes('\0')) {
      throw new FormatError('bad-line', 'a line is not <letter>=<value>');
    }
    if (line.startsWith('m=')) {
      if (sections.length >= MAX_SECTIONS)
        throw new FormatError('too-many-sections', `limit ${MAX_SECTIONS}`);
      current = [];
      sections.push(parseMediaLine(line, current));
    } else if (line.startsWith('a=')) {
      const colon = line.indexOf(':');
      current.push(
        colon < 0
          ? { name: line.slice(2), value: '' }
          : { name: line.slice(2, colon), value: line.slice(colon + 1) },
      );
    }
  }
  return { attributes, sections };
}

/** Value of the first attribute of the name; undefined when there is none. */
export function attributeOf(attributes: readonly SdpAttribute[], name: string): string | undefined {
  return attributes.find((attribute) => attribute.name === name)?.value;
}

/** Values of all attributes of the name, in order. */
export function attributesOf(attributes: readonly SdpAttribute[], name: string): readonly string[] {
  return attributes.filter((attribute) => attribute.name === name).map((attribute) => attribute.value);
}

/** A decimal number from 0 to `max`, or undefined. */
export function parseDecimal(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^[0-9]{1,15}$/.test(text)) return undefined;
  const number = Number(text);
  return number <= max ? number : undefined;
}

function parseMediaLine(line: string, attributes: readonly SdpAttribute[]): SdpSection {
  const [kind, port, protocol, ...formats] = line.slice(2).split(' ');
  const portNumber = parseDecimal(port?.split('/', 1)[0], 65_535);
  if (!kind || portNumber === undefined || !protocol) {
    throw new FormatError('bad-media-line', 'an m= line is not <media> <port> <proto> <fmt> ...');
  }
  return { kind, port: portNumber, protocol, formats, attributes };
}

function withoutCarriageReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
