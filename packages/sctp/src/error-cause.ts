import { fromUtf8, toUtf8 } from '@conclave/bytes';
import { encodeParameter, parseParameters } from './tlv-parameter.ts';

/** Cause codes of ERROR and ABORT chunks (RFC 9260 §3.3.10) that this package writes or reads. */
export const ErrorCause = {
  invalidStream: 1,
  missingParameter: 2,
  staleCookie: 3,
  outOfResource: 4,
  unresolvableAddress: 5,
  unrecognizedChunk: 6,
  invalidParameter: 7,
  unrecognizedParameters: 8,
  noUserData: 9,
  cookieWhileShuttingDown: 10,
  userAbort: 12,
  protocolViolation: 13,
} as const;

/** A cause with a short text for whoever reads the peer's log (RFC 9260 §3.3.10.12, §3.3.10.13). */
export function textCause(code: number, text: string): Uint8Array {
  return encodeParameter(code, toUtf8(text));
}

/** Longest piece of a peer's text that is repeated in a reason. */
const MAX_TEXT_BYTES = 128;

/**
 * What an ABORT chunk says, in words fit for a log: the first cause's number and, if it carries readable text, a
 * piece of it. Never throws: an ABORT counts however broken its causes are.
 */
export function describeAbort(value: Uint8Array): string {
  try {
    const cause = parseParameters(value)[0];
    if (!cause) return 'no cause given';
    const carriesText = cause.type === ErrorCause.userAbort || cause.type === ErrorCause.protocolViolation;
    const text = carriesText ? fromUtf8(cause.value.subarray(0, MAX_TEXT_BYTES)) : '';
    const printable = [...text].filter((c) => c >= ' ' && c !== '\u007f').join('');
    return printable === '' ? `cause ${cause.type}` : `cause ${cause.type}: ${printable}`;
  } catch {
    return 'unreadable cause';
  }
}
