import { serialAdd32, serialDelta32 } from '@conclave/bytes';
import {
  encodeOutgoingReset,
  encodeReconfigResponses,
  type OutgoingReset,
  type ReconfigItem,
  ReconfigResult,
} from './reconfig-chunk.ts';

/** What the peer's RE-CONFIG asks for or tells, once sequence numbers are checked. */
export type StreamResetEffect =
  /** The peer's side of the streams begins anew; empty: all streams. */
  | { readonly type: 'peer-reset'; readonly streamIds: readonly number[] }
  /** Our side of the streams may begin anew. */
  | { readonly type: 'own-reset'; readonly streamIds: readonly number[] };

/** What {@link StreamReset} needs to know of the rest of the association. */
export interface StreamResetContext {
  /** Everything up to here was received. */
  readonly cumulativeTsn: number;
  /** Adds inbound streams; false if they were too many. */
  addStreams(count: number): boolean;
}

/** Most streams named in one request: they fit any packet. */
const MAX_STREAMS_PER_REQUEST = 128;

/** Stream reconfiguration (RFC 6525): one request of ours at a time, and answers to the peer's. */
export class StreamReset {
  readonly #waiting = new Set<number>();
  #nextSequenceNumber: number;
  #request: OutgoingReset | undefined;
  #expectedSequenceNumber: number;
  #lastResult: number = ReconfigResult.nothingToDo;
  /** The peer has not finished receiving: the same streams must be asked for again (RFC 6525 §5.2.7). */
  #renew = false;
  #answered = false;

  /** The sequence numbers begin with the initial TSNs of both sides (RFC 6525 §3.1). */
  constructor(ownInitialTsn: number, peerInitialTsn: number) {
    this.#nextSequenceNumber = ownInitialTsn;
    this.#expectedSequenceNumber = peerInitialTsn;
  }

  /** Whether a request of ours is unanswered. */
  get pending(): boolean {
    return this.#request !== undefined;
  }

  /** Whether the peer has answered the request since the last call: a sign of life. */
  takeAnswered(): boolean {
    const answered = this.#answered;
    this.#answered = false;
    return answered;
  }

  /** Asks for our side of the stream to begin anew, once nothing is queued for it. */
  request(streamId: number): void {
    this.#waiting.add(streamId);
  }

  /**
   * The value of a RE-CONFIG chunk to be sent, when no request is unanswered and streams wait for which `isReady`.
   * `lastTsn` is the TSN given out last.
   */
  nextRequest(lastTsn: number, isReady: (streamId: number) => boolean): Uint8Array | undefined {
    if (this.#request || this.#waiting.size === 0) return undefined;
    const streamIds: number[] = [];
    for (const streamId of this.#waiting) {
      if (streamIds.length < MAX_STREAMS_PER_REQUEST && isReady(streamId)) streamIds.push(streamId);
    }
    if (streamIds.length === 0) return undefined;
    for (const streamId of streamIds) this.#waiting.delete(streamId);
    this.#request = { type: 'outgoing-reset', sequenceNumber: this.#takeNumber(), lastTsn, streamIds };
    return this.#encodeRequest();
  }

  /** The unanswered request again: the timer ran out. */
  repeatRequest(): Uint8Array | undefined {
    if (!this.#request) return undefined;
    if (this.#renew) {
      // A repeat under the same number would only get the same answer from peers that remember it.
      this.#request = { ...this.#request, sequenceNumber: this.#takeNumber() };
      this.#renew = false;
    }
    return this.#encodeRequest();
  }

  /** Takes the items of one RE-CONFIG chunk. `reply` is the value of the RE-CONFIG chunk to answer with. */
  handle(
    items: readonly ReconfigItem[],
    context: StreamResetContext,
  ): { effects: StreamResetEffect[]; reply: Uint8Array | undefined } {
    const effects: StreamResetEffect[] = [];
    const responses: { sequenceNumber: number; result: number }[] = [];
    for (const item of items) {
      if (item.type === 'response') {
        const effect = this.#handleResponse(item.sequenceNumber, item.result);
        if (effect) effects.push(effect);
      } else {
        const result = this.#handleRequest(item, context, effects);
        responses.push({ sequenceNumber: item.sequenceNumber, result });
      }
    }
    return { effects, reply: responses.length > 0 ? encodeReconfigResponses(responses) : undefined };
  }

  #handleResponse(sequenceNumber: number, result: number): StreamResetEffect | undefined {
    const request = this.#request;
    if (!request || request.sequenceNumber !== sequenceNumber) return undefined;
    this.#answered = true;
    if (result === ReconfigResult.inProgress || result === ReconfigResult.alreadyInProgress) {
      this.#renew = true;
      return undefined;
    }
    // Also after a refusal: there is nothing else to be done about the stream.
    this.#request = undefined;
    this.#renew = false;
    return { type: 'own-reset', streamIds: request.streamIds };
  }

  #handleRequest(
    item: Exclude<ReconfigItem, { type: 'response' }>,
    context: StreamResetContext,
    effects: StreamResetEffect[],
  ): number {
    const isRepeat = item.sequenceNumber === serialAdd32(this.#expectedSequenceNumber, -1);
    if (isRepeat && this.#lastResult !== ReconfigResult.inProgress) return this.#lastResult;
    if (!isRepeat) {
      if (item.sequenceNumber !== this.#expectedSequenceNumber) return ReconfigResult.badSequenceNumber;
      this.#expectedSequenceNumber = serialAdd32(this.#expectedSequenceNumber, 1);
    }
    this.#lastResult = this.#perform(item, context, effects);
    return this.#lastResult;
  }

  #perform(
    item: Exclude<ReconfigItem, { type: 'response' }>,
    context: StreamResetContext,
    effects: StreamResetEffect[],
  ): number {
    switch (item.type) {
      case 'outgoing-reset':
        if (serialDelta32(context.cumulativeTsn, item.lastTsn) > 0) return ReconfigResult.inProgress;
        effects.push({ type: 'peer-reset', streamIds: item.streamIds });
        return ReconfigResult.performed;
      case 'add-outgoing-streams':
        return context.addStreams(item.count) ? ReconfigResult.performed : ReconfigResult.denied;
      case 'other-request':
        return ReconfigResult.denied;
    }
  }

  #takeNumber(): number {
    const number = this.#nextSequenceNumber;
    this.#nextSequenceNumber = serialAdd32(number, 1);
    return number;
  }

  #encodeRequest(): Uint8Array {
    // The field is for answers to incoming reset requests, which are always denied; usrsctp wants it current.
    return encodeOutgoingReset(this.#request!, serialAdd32(this.#expectedSequenceNumber, -1));
  }
}
