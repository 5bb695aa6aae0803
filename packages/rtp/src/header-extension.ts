import { type ByteReader, ByteWriter } from '@conclave/bytes';

/** One element of an RTP header extension (RFC 8285). `id` is 1-14 in the one-byte form, 1-255 in the two-byte form. */
export interface HeaderExtension {
  readonly id: number;
  /** 1-16 bytes in the one-byte form, 0-255 in the two-byte form. Parsing gives a view of the packet's memory. */
  readonly value: Uint8Array;
}

const ONE_BYTE_PROFILE = 0xbede;
const TWO_BYTE_PROFILE = 0x1000;

/**
 * Reads the extension that follows the fixed RTP header, from its profile field on. Elements of both forms of
 * RFC 8285 come out in order; an element longer than what is left of the extension ends it, as in Chromium, and an
 * extension of any other profile gives none. Throws `FormatError` `truncated` when the extension is longer than the
 * packet.
 */
export function readHeaderExtensions(reader: ByteReader): HeaderExtension[] {
  const profile = reader.u16();
  const block = reader.bytes(reader.u16() * 4);
  if (profile === ONE_BYTE_PROFILE) return parseOneByteForm(block);
  // RFC 8285 §4.3: the low four bits are "appbits", to be ignored.
  if ((profile & 0xfff0) === TWO_BYTE_PROFILE) return parseTwoByteForm(block);
  return [];
}

/**
 * The extension with its profile and length fields: in one-byte form if all elements fit it, else in two-byte form
 * (or in the form asked for). Empty when there are no elements. Throws `RangeError` on an element that fits no form.
 */
export function encodeHeaderExtensions(
  extensions: readonly HeaderExtension[],
  form?: 'one-byte' | 'two-byte',
): Uint8Array {
  const out = new ByteWriter();
  if (extensions.length === 0) return out.finish();
  const oneByte = form === undefined ? extensions.every(fitsOneByteForm) : form === 'one-byte';
  out.u16(oneByte ? ONE_BYTE_PROFILE : TWO_BYTE_PROFILE).u16(0);
  for (const { id, value } of extensions) {
    if (oneByte) {
      if (!fitsOneByteForm({ id, value })) throw new RangeError(`extension ${id} does not fit one-byte form`);
      out.u8((id << 4) | (value.length - 1));
    } else {
      if (id < 1 || id > 255 || value.length > 255) throw new RangeError(`extension ${id} fits no form`);
      out.u8(id).u8(value.length);
    }
    out.bytes(value);
  }
  out.padTo(4);
  return out.patchU16(2, (out.length - 4) / 4).finish();
}

/** Whether the element can stand in a one-byte form extension (RFC 8285 §4.2). */
export function fitsOneByteForm({ id, value }: HeaderExtension): boolean {
  return id >= 1 && id <= 14 && value.length >= 1 && value.length <= 16;
}

/** The first element with this id, if there is one. An absent id finds nothing. */
export function findExtension(
  extensions: readonly HeaderExtension[],
  id: number | undefined,
): Uint8Array | undefined {
  return id === undefined ? undefined : extensions.find((e) => e.id === id)?.value;
}

function parseOneByteForm(block: Uint8Array): HeaderExtension[] {
  const found: HeaderExtension[] = [];
  let at = 0;
  while (at < block.length) {
    const lead = block[at]!;
    const id = lead >>> 4;
    const length = (lead & 15) + 1;
    if (lead === 0) {
      at += 1;
      continue;
    }
    // RFC 8285 §4.2: id 15, and id 0 with a length, end the processing; what came before stands.
    if (id === 0 || id === 15) break;
    if (at + 1 + length > block.length) break;
    found.push({ id, value: block.subarray(at + 1, at + 1 + length) });
    at += 1 + length;
  }
  return found;
}

function parseTwoByteForm(block: Uint8Array): HeaderExtension[] {
  const found: HeaderExtension[] = [];
  let at = 0;
  while (at < block.length) {
    const id = block[at]!;
    if (id === 0) {
      at += 1;
      continue;
    }
    const length = block[at + 1] ?? 255;
    if (at + 2 + length > block.length) break;
    found.push({ id, value: block.subarray(at + 2, at + 2 + length) });
    at += 2 + length;
  }
  return found;
}
