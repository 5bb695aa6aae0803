import { FormatError, type Hmac } from '@conclave/bytes';
import {
  attributeType,
  hasAttribute,
  isStun,
  StunBuilder,
  type StunMessage,
  stunClassOf,
  stunMethod,
  type TransportAddress,
  textAttribute,
  uint32Attribute,
  uint64Attribute,
  unknownAttributesOf,
  verifyIntegrity,
} from '@conclave/stun';
import type { IceRejectReason } from './ice-stats.ts';

/** The two roles of RFC 8445 §6.1.1. */
export type IceRole = 'controlling' | 'controlled';

/** Attributes of Binding messages that are read or knowingly passed over. */
const knownAttributes: ReadonlySet<number> = new Set(Object.values(attributeType));

/** More unknown attributes than these are not listed in a 420: it shall stay smaller than the request. */
const MAX_LISTED_UNKNOWN = 8;

/** Longest USERNAME: two ufrags of 256 characters and the colon. */
const MAX_USERNAME = 513;

/**
 * USERNAME of a STUN request, `undefined` for every other datagram. Reads no more than it needs and checks
 * nothing: for a mux that has to find the agent.
 */
export function stunUsernameOf(bytes: Uint8Array): string | undefined {
  if (!isStun(bytes) || stunClassOf(bytes) !== 'request') return undefined;
  let at = 20;
  while (at + 4 <= bytes.length) {
    const type = (bytes[at]! << 8) | bytes[at + 1]!;
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (type === attributeType.messageIntegrity || at + 4 + length > bytes.length) return undefined;
    if (type === attributeType.username) {
      if (length > MAX_USERNAME) return undefined;
      return String.fromCharCode(...bytes.subarray(at + 4, at + 4 + length));
    }
    at += 4 + ((length + 3) & ~3);
  }
  return undefined;
}

/** First four bytes of the transaction id of a STUN response as a number; `undefined` for every other datagram. */
export function transactionTagOf(bytes: Uint8Array): number | undefined {
  if (!isStun(bytes)) return undefined;
  const kind = stunClassOf(bytes);
  if (kind !== 'success' && kind !== 'error') return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(8);
}

/**
 * The two fragments in the USERNAME of a request (RFC 8445 §7.2.2): `local` is the receiver's, so ours, and
 * `remote` the sender's. Throws {@link FormatError} `bad-username` when it is not two fragments and a colon.
 */
export function parseUfrags(username: string): { local: string; remote: string } {
  const match = /^([A-Za-z0-9+/]{1,256}):([A-Za-z0-9+/]{1,256})$/.exec(username);
  if (!match) throw new FormatError('bad-username', 'USERNAME is not two ufrags');
  return { local: match[1]!, remote: match[2]! };
}

/** Bytes of a Binding request (RFC 8445 §7.2.2). */
export function encodeBindingRequest(o: {
  transactionId: Uint8Array;
  /** `remote:local`, the receiver's ufrag first. */
  username: string;
  role: IceRole;
  tieBreaker: bigint;
  priority: number;
  useCandidate: boolean;
  /** The receiver's password. */
  key: Uint8Array;
  hmacSha1: Hmac;
}): Uint8Array {
  const builder = new StunBuilder({
    class: 'request',
    method: stunMethod.binding,
    transactionId: o.transactionId,
  })
    .text(attributeType.username, o.username)
    .uint64(
      o.role === 'controlling' ? attributeType.iceControlling : attributeType.iceControlled,
      o.tieBreaker,
    )
    .uint32(attributeType.priority, o.priority);
  if (o.useCandidate) builder.attribute(attributeType.useCandidate);
  return builder.integrity(o.key, o.hmacSha1).fingerprint().finish();
}

/** Bytes of a success response (RFC 8445 §7.3.1.2): the address the request came from, and nothing more. */
export function encodeBindingSuccess(o: {
  transactionId: Uint8Array;
  source: TransportAddress;
  key: Uint8Array;
  hmacSha1: Hmac;
}): Uint8Array {
  return new StunBuilder({ class: 'success', method: stunMethod.binding, transactionId: o.transactionId })
    .xorAddress(attributeType.xorMappedAddress, o.source)
    .integrity(o.key, o.hmacSha1)
    .fingerprint()
    .finish();
}

/** Bytes of an error response to a request that was authenticated. */
export function encodeBindingError(o: {
  transactionId: Uint8Array;
  code: 400 | 420 | 487;
  /** For 420. */
  unknown?: readonly number[];
  key: Uint8Array;
  hmacSha1: Hmac;
}): Uint8Array {
  const builder = new StunBuilder({
    class: 'error',
    method: stunMethod.binding,
    transactionId: o.transactionId,
  }).errorCode(o.code);
  if (o.unknown) builder.unknownAttributes(o.unknown);
  return builder.integrity(o.key, o.hmacSha1).fingerprint().finish();
}

/** What a Binding request says once it is known to come from the peer. */
export interface BindingRequest {
  readonly type: 'request';
  readonly remoteUfrag: string;
  /** `undefined` when PRIORITY is absent. */
  readonly priority: number | undefined;
  readonly useCandidate: boolean;
  /** The role the peer claims; `undefined` when it claims none. */
  readonly peer: { readonly role: IceRole; readonly tieBreaker: bigint } | undefined;
}

/**
 * Reads and authenticates a Binding request (RFC 8445 §7.3, RFC 8489 §9.1.3). What is not from somebody who
 * knows our password is `rejected` without an answer; what is but cannot be understood is an `error` to answer
 * with.
 */
export function readBindingRequest(
  message: StunMessage,
  o: { localUfrag: string; remoteUfrag: string | undefined; key: Uint8Array; hmacSha1: Hmac },
):
  | BindingRequest
  | { readonly type: 'rejected'; readonly reason: IceRejectReason }
  | { readonly type: 'error'; readonly code: 400 | 420; readonly unknown?: readonly number[] } {
  if (!message.hasFingerprint) return { type: 'rejected', reason: 'missing-fingerprint' };
  const ufrags = ufragsOf(message);
  if (!ufrags || ufrags.local !== o.localUfrag) return { type: 'rejected', reason: 'wrong-username' };
  if (o.remoteUfrag !== undefined && ufrags.remote !== o.remoteUfrag) {
    return { type: 'rejected', reason: 'wrong-username' };
  }
  if (message.integrityOffset === undefined) return { type: 'rejected', reason: 'missing-integrity' };
  if (!verifyIntegrity(message, o.key, o.hmacSha1)) return { type: 'rejected', reason: 'bad-integrity' };
  const unknown = unknownAttributesOf(message, knownAttributes);
  if (unknown.length > 0) return { type: 'error', code: 420, unknown: unknown.slice(0, MAX_LISTED_UNKNOWN) };
  try {
    const controlling = uint64Attribute(message, attributeType.iceControlling);
    const controlled = uint64Attribute(message, attributeType.iceControlled);
    return {
      type: 'request',
      remoteUfrag: ufrags.remote,
      priority: uint32Attribute(message, attributeType.priority),
      useCandidate: hasAttribute(message, attributeType.useCandidate),
      peer:
        controlling !== undefined
          ? { role: 'controlling', tieBreaker: controlling }
          : controlled !== undefined
            ? { role: 'controlled', tieBreaker: controlled }
            : undefined,
    };
  } catch (error) {
    if (error instanceof FormatError) return { type: 'error', code: 400 };
    throw error;
  }
}

/** Whether a response of the peer has attributes that must be understood and are not: it is then dropped. */
export function hasUnknownAttributes(message: StunMessage): boolean {
  return unknownAttributesOf(message, knownAttributes).length > 0;
}

function ufragsOf(message: StunMessage): { local: string; remote: string } | undefined {
  try {
    const username = textAttribute(message, attributeType.username, MAX_USERNAME);
    return username === undefined ? undefined : parseUfrags(username);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
