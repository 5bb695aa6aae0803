import type { NowMs } from '@conclave/bytes';
import { attributeType, encodeAddress, StunBuilder, type StunMessage } from '@conclave/stun';
import type { AuthenticatedUser, Authenticator } from './authentication.ts';
import type { FiveTuple } from './five-tuple.ts';
import { errorReason, type TurnRefusal } from './turn-refusal.ts';

/** What a response takes from its request. */
export interface RequestHead {
  readonly method: number;
  readonly transactionId: Uint8Array;
  readonly hasFingerprint: boolean;
}

/** A copy of the head that stays when the packet's memory is used again. */
export function headOf(request: StunMessage): RequestHead {
  const { method, transactionId, hasFingerprint } = request;
  return { method, transactionId: transactionId.slice(), hasFingerprint };
}

/** Builds responses: integrity for whoever is known, a fingerprint for whoever sent one. */
export class TurnResponder {
  readonly #authenticator: Authenticator;

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator;
  }

  /** A success response with the attributes that `fill` adds. */
  success(
    request: RequestHead,
    user: AuthenticatedUser | undefined,
    fill: (response: StunBuilder) => void = () => {},
  ): Uint8Array {
    const response = this.#start(request, 'success');
    fill(response);
    return this.#finish(request, user, response);
  }

  /** The error response that a refusal asks for. */
  refusal(request: RequestHead, user: AuthenticatedUser | undefined, refusal: TurnRefusal): Uint8Array {
    const response = this.#start(request, 'error');
    // Without reason to the unknown: the shorter the answer, the less can be reflected.
    response.errorCode(refusal.code, user ? errorReason(refusal.code) : '');
    if (refusal.code === 420) response.unknownAttributes(refusal.unknown);
    if (refusal.alternate)
      response.attribute(attributeType.alternateServer, encodeAddress(refusal.alternate));
    return this.#finish(request, user, response);
  }

  /** A 401 or 438 with what the client needs to do better. */
  challenge(now: NowMs, tuple: FiveTuple, request: RequestHead, code: 401 | 438): Uint8Array {
    const response = this.#start(request, 'error').errorCode(code);
    this.#authenticator.challenge(now, tuple, response);
    return this.#finish(request, undefined, response);
  }

  #start(request: RequestHead, kind: 'success' | 'error'): StunBuilder {
    const { method, transactionId } = request;
    return new StunBuilder({ class: kind, method, transactionId });
  }

  #finish(request: RequestHead, user: AuthenticatedUser | undefined, response: StunBuilder): Uint8Array {
    if (user) this.#authenticator.seal(user, response);
    if (request.hasFingerprint) response.fingerprint();
    return response.finish();
  }
}
