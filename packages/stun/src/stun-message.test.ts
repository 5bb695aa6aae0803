import { FormatError, fromHex } from '@conclave/bytes';
import { describe, expect, it } from 'vitest';
import { attributeType, stunMethod } from './attribute-type.ts';
import { crc32 } from './crc32.ts';
import { findAttribute, findAttributes, unknownAttributesOf } from './stun-attribute.ts';
import { StunBuilder } from './stun-builder.ts';
import { isStun, parseStun, type StunClass, stunClassOf, stunMethodOf } from './stun-message.ts';

const transactionId: Uint8Array = fromHex('0102030405060708090a0b0c');
const request = (): StunBuilder =>
  new StunBuilder({ class: 'request', method: stunMethod.binding, transactionId });

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** Appends raw attributes to a built message and repairs its length. */
function withTail(message: Uint8Array, tailHex: string): Uint8Array {
  const out = new Uint8Array([...message, ...fromHex(tailHex)]);
  new DataView(out.buffer).setUint16(2, out.length - 20);
  return out;
}

describe('the header', () => {
  it('keeps class and method apart for every method', () => {
    for (const kind of ['request', 'indication', 'success', 'error'] satisfies StunClass[]) {
      for (let method = 0; method <= 0xfff; method += 7) {
        const bytes = new StunBuilder({ class: kind, method, transactionId }).finish();
        const message = parseStun(bytes);
        expect([message.class, message.method]).toEqual([kind, method]);
        expect([stunClassOf(bytes), stunMethodOf(bytes)]).toEqual([kind, method]);
      }
    }
  });

  it('is told from other protocols', () => {
    const bytes = request().finish();
    expect(isStun(bytes)).toBe(true);
    expect(isStun(bytes.subarray(0, 19))).toBe(false);
    expect(isStun(new Uint8Array(0))).toBe(false);
    expect(isStun(new Uint8Array([...bytes, 0, 0, 0, 0]))).toBe(false);
    for (const [at, value] of [
      [0, 0x80],
      [0, 0x40],
      [3, 1],
      [4, 0],
      [7, 0x43],
    ] as const) {
      expect(isStun(bytes.with(at, value))).toBe(false);
      expect(codeOf(() => parseStun(bytes.with(at, value)))).toBe('not-stun');
    }
  });

  it('refuses impossible heads when building', () => {
    expect(() => new StunBuilder({ class: 'request', method: 0x1000, transactionId })).toThrow(RangeError);
    expect(() => new StunBuilder({ class: 'request', method: 1, transactionId: new Uint8Array(11) })).toThrow(
      RangeError,
    );
  });
});

describe('attributes', () => {
  it('that come twice: the first wins, and both can be had', () => {
    const message = parseStun(request().uint32(0x24, 1).uint32(0x24, 2).finish());
    expect(findAttribute(message, 0x24)).toEqual(fromHex('00000001'));
    expect(findAttributes(message, 0x24)).toHaveLength(2);
  });

  it('after MESSAGE-INTEGRITY are not there', () => {
    const sealed = request()
      .integrity(new Uint8Array(4), () => new Uint8Array(20))
      .finish();
    const message = parseStun(withTail(sealed, '0025000000240004000000ff'));
    expect(message.attributes).toEqual([]);
    expect(message.integrityOffset).toBe(20);
  });

  it('after MESSAGE-INTEGRITY-SHA256 are not there, not even MESSAGE-INTEGRITY', () => {
    const sealed = request()
      .integritySha256(new Uint8Array(4), () => new Uint8Array(32))
      .finish();
    const message = parseStun(withTail(sealed, `00080014${'00'.repeat(20)}00250000`));
    expect(message.attributes).toEqual([]);
    expect(message.integrityOffset).toBeUndefined();
    expect(message.integritySha256Offset).toBe(20);
  });

  it('that are comprehension-required and unknown are listed once', () => {
    const message = parseStun(
      request()
        .attribute(0x7001)
        .attribute(0x7001)
        .attribute(0x8fff)
        .uint32(attributeType.priority, 1)
        .finish(),
    );
    expect(unknownAttributesOf(message, new Set([attributeType.priority]))).toEqual([0x7001]);
  });

  it('are at most 64', () => {
    const build = (count: number): Uint8Array => {
      const builder = request();
      for (let i = 0; i < count; i++) builder.attribute(0x8001);
      return builder.finish();
    };
    expect(parseStun(build(64)).attributes).toHaveLength(64);
    expect(codeOf(() => parseStun(build(65)))).toBe('too-many-attributes');
  });

  it('must end inside the message', () => {
    expect(codeOf(() => parseStun(withTail(request().finish(), '00240005000000ff')))).toBe(
      'truncated-attribute',
    );
    expect(codeOf(() => parseStun(withTail(request().finish(), '0024fffd000000ff')))).toBe(
      'truncated-attribute',
    );
  });

  it('cannot be added after integrity', () => {
    const sealed = request().integrity(new Uint8Array(1), () => new Uint8Array(20));
    expect(() => sealed.uint32(0x24, 1)).toThrow();
    expect(() => sealed.integrity(new Uint8Array(1), () => new Uint8Array(20))).toThrow();
    sealed.fingerprint();
    expect(() => sealed.fingerprint()).toThrow();
    expect(() => sealed.integritySha256(new Uint8Array(1), () => new Uint8Array(32))).toThrow();
  });
});

describe('integrity and fingerprint attributes', () => {
  it('of wrong sizes are refused', () => {
    expect(codeOf(() => parseStun(withTail(request().finish(), '00080004000000ff')))).toBe(
      'bad-integrity-length',
    );
    for (const size of [0, 12, 18, 36]) {
      const hex = `001c${size.toString(16).padStart(4, '0')}${'00'.repeat((size + 3) & ~3)}`;
      expect(codeOf(() => parseStun(withTail(request().finish(), hex)))).toBe('bad-integrity-length');
    }
    expect(codeOf(() => parseStun(withTail(request().finish(), '80280008000000ff000000ff')))).toBe(
      'bad-fingerprint',
    );
  });

  it('a fingerprint must be right and last', () => {
    const bytes = request().fingerprint().finish();
    expect(parseStun(bytes).hasFingerprint).toBe(true);
    expect(codeOf(() => parseStun(bytes.with(25, bytes[25]! ^ 1)))).toBe('bad-fingerprint');
    expect(codeOf(() => parseStun(withTail(bytes, '80220000')))).toBe('fingerprint-not-last');
    expect(parseStun(request().finish()).hasFingerprint).toBe(false);
  });

  it('the CRC is that of ITU V.42', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });
});
