import { FormatError, fromUtf8, toUtf8 } from '@conclave/bytes';

/** Content of an ERROR-CODE attribute (RFC 8489 §14.8). */
export interface StunErrorCode {
  /** 300..699. */
  readonly code: number;
  /** For people only; may be empty. */
  readonly reason: string;
}

/** Value of an ERROR-CODE attribute. Throws RangeError when the code is outside 300..699. */
export function encodeErrorCode(error: StunErrorCode): Uint8Array {
  if (!(error.code >= 300 && error.code <= 699)) throw new RangeError('STUN error codes are 300 to 699');
  const reason = toUtf8(error.reason);
  const out = new Uint8Array(4 + reason.length);
  out[2] = Math.floor(error.code / 100);
  out[3] = error.code % 100;
  out.set(reason, 4);
  return out;
}

/**
 * Content of an ERROR-CODE value. Throws {@link FormatError} `bad-error-code` when it is too short, its
 * numbers are out of range or its text is longer than 763 bytes or not UTF-8.
 */
export function decodeErrorCode(value: Uint8Array): StunErrorCode {
  const hundreds = value[2]! & 7;
  const rest = value[3]!;
  if (value.length < 4 || value.length > 767 || hundreds < 3 || hundreds > 6 || rest > 99) {
    throw new FormatError('bad-error-code', `ERROR-CODE of ${value.length} bytes`);
  }
  return { code: hundreds * 100 + rest, reason: fromUtf8(value.subarray(4)) };
}
