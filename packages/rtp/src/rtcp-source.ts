import { ByteReader, ByteWriter, FormatError, fromUtf8, toUtf8 } from '@conclave/bytes';

/** Kind of a source description item that names the source for good (RFC 3550 §6.5.1). */
export const CNAME_ITEM = 1;

/** The items of one source (RFC 3550 §6.5). */
export interface SourceDescriptionChunk {
  readonly ssrc: number;
  /** In order. `kind` is 1-255, `text` at most 255 bytes of UTF-8; PRIV items (8) come as raw text too. */
  readonly items: readonly { readonly kind: number; readonly text: string }[];
}

/** Who the sources are (RFC 3550 §6.5). */
export interface SourceDescription {
  readonly type: 'source-description';
  /** At most 31. */
  readonly chunks: readonly SourceDescriptionChunk[];
}

/** Sources that have left (RFC 3550 §6.6). */
export interface RtcpBye {
  readonly type: 'bye';
  /** At most 31. */
  readonly ssrcs: readonly number[];
  readonly reason?: string;
}

/** The CNAME in the description of a source, if it is there. */
export function cnameOf(description: SourceDescription, ssrc: number): string | undefined {
  const chunk = description.chunks.find((c) => c.ssrc === ssrc);
  return chunk?.items.find((item) => item.kind === CNAME_ITEM)?.text;
}

/** Reads the body of a source description with `count` chunks. Throws `FormatError` `truncated` or `bad-utf8`. */
export function parseSourceDescription(count: number, body: Uint8Array): SourceDescription {
  const reader = new ByteReader(body);
  const chunks: SourceDescriptionChunk[] = [];
  for (let i = 0; i < count; i++) {
    const ssrc = reader.u32();
    const items: { kind: number; text: string }[] = [];
    for (let kind = reader.u8(); kind !== 0; kind = reader.u8()) {
      items.push({ kind, text: fromUtf8(reader.bytes(reader.u8())) });
    }
    // The list ends with one to four zero bytes, up to the next multiple of four.
    reader.skip((4 - (reader.offset % 4)) % 4);
    chunks.push({ ssrc, items });
  }
  return { type: 'source-description', chunks };
}

/** The body of a source description. Throws `RangeError` on what the format cannot hold. */
export function encodeSourceDescription({ chunks }: SourceDescription): Uint8Array {
  if (chunks.length > 31) throw new RangeError('a source description has at most 31 chunks');
  const out = new ByteWriter();
  for (const chunk of chunks) {
    out.u32(chunk.ssrc);
    for (const { kind, text } of chunk.items) {
      if (kind < 1 || kind > 255) throw new RangeError('an item kind is 1-255');
      out.u8(kind);
      writeShortText(out, text);
    }
    out.u8(0).padTo(4);
  }
  return out.finish();
}

/** Reads the body of a BYE of `count` sources. Throws `FormatError` `truncated`, `bad-bye` or `bad-utf8`. */
export function parseBye(count: number, reader: ByteReader): RtcpBye {
  const ssrcs: number[] = [];
  for (let i = 0; i < count; i++) ssrcs.push(reader.u32());
  if (reader.remaining === 0) return { type: 'bye', ssrcs };
  const length = reader.u8();
  if (length > reader.remaining) throw new FormatError('bad-bye', 'the reason is longer than the packet');
  return { type: 'bye', ssrcs, reason: fromUtf8(reader.bytes(length)) };
}

/** The body of a BYE. Throws `RangeError` on more than 31 sources, or a reason of more than 255 bytes. */
export function encodeBye({ ssrcs, reason }: RtcpBye): Uint8Array {
  if (ssrcs.length > 31) throw new RangeError('a BYE names at most 31 sources');
  const out = new ByteWriter();
  for (const ssrc of ssrcs) out.u32(ssrc);
  if (reason !== undefined) writeShortText(out, reason);
  return out.padTo(4).finish();
}

function writeShortText(out: ByteWriter, text: string): void {
  const bytes = toUtf8(text);
  if (bytes.length > 255) throw new RangeError('the text has at most 255 bytes');
  out.u8(bytes.length).bytes(bytes);
}
