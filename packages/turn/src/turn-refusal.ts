import type { TransportAddress } from '@conclave/stun';

/** Reasons of the error codes (RFC 8489 §14.8, RFC 8656 §19, RFC 6062 §6.3), for people. */
const reasons: Readonly<Record<number, string>> = {
  300: 'Try Alternate',
  400: 'Bad Request',
  401: 'Unauthenticated',
  403: 'Forbidden',
  420: 'Unknown Attribute',
  437: 'Allocation Mismatch',
  438: 'Stale Nonce',
  440: 'Address Family not Supported',
  441: 'Wrong Credentials',
  442: 'Unsupported Transport Protocol',
  443: 'Peer Address Family Mismatch',
  446: 'Connection Already Exists',
  447: 'Connection Timeout or Failure',
  486: 'Allocation Quota Reached',
  508: 'Insufficient Capacity',
};

/** Thrown while a request is handled: the error response to give. Never leaves the server. */
export class TurnRefusal extends Error {
  readonly code: number;
  /** Types to list with 420. */
  readonly unknown: readonly number[];
  /** Where to go with 300. */
  readonly alternate: TransportAddress | undefined;

  constructor(code: number, more: { unknown?: readonly number[]; alternate?: TransportAddress } = {}) {
    super(`refused with ${code}`);
    this.name = 'TurnRefusal';
    this.code = code;
    this.unknown = more.unknown ?? [];
    this.alternate = more.alternate;
  }
}

/** Reason phrase of an error code, empty for codes that are not TURN's. */
export function errorReason(code: number): string {
  return reasons[code] ?? '';
}
