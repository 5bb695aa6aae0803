import { serialAdd32, serialDelta32 } from '@conclave/bytes';
import type { DataChunk } from './data-chunk.ts';

/** A message put together from its fragments. */
export interface InboundMessage {
  readonly streamId: number;
  readonly ssn: number;
  readonly ppid: number;
  readonly unordered: boolean;
  readonly data: Uint8Array;
  /** What it counts against the receive window until it is released. */
  readonly cost: number;
}

/**
 * Counted against the receive window for each piece besides its bytes, so that a peer cannot fill our memory with
 * the bookkeeping of tiny pieces.
 */
export const PIECE_OVERHEAD_BYTES = 128;

/** Fragments with consecutive TSNs of what may become one message. */
interface Run {
  first: number;
  last: number;
  begins: boolean;
  ends: boolean;
  /** Whether `parts` stand in the order of their TSNs. */
  sorted: boolean;
  parts: { readonly tsn: number; readonly payload: Uint8Array }[];
  bytes: number;
  ppid: number;
  readonly streamId: number;
  readonly ssn: number;
  readonly unordered: boolean;
}

/**
 * Puts messages together, whatever the order their fragments come in: the fragments of a message have consecutive
 * TSNs (RFC 9260 §6.9), so runs of neighbours grow until one reaches from a beginning to an end. Every fragment
 * costs the same, however long the message is.
 */
export class FragmentRuns {
  readonly #byFirst = new Map<number, Run>();
  readonly #byLast = new Map<number, Run>();
  #cost = 0;

  /** What all fragments held count against the receive window. */
  get cost(): number {
    return this.#cost;
  }

  /** Bytes that the message of this fragment has so far if it is added. */
  bytesWith(chunk: DataChunk): number {
    return (this.#left(chunk)?.bytes ?? 0) + chunk.payload.length + (this.#right(chunk)?.bytes ?? 0);
  }

  /** Adds a fragment whose TSN is new, copying its payload. The message, when it is the last one missing. */
  add(chunk: DataChunk): InboundMessage | undefined {
    const { tsn, streamId, ssn, unordered, ppid } = chunk;
    const payload = chunk.payload.slice();
    if (chunk.begin && chunk.end) {
      return { streamId, ssn, ppid, unordered, data: payload, cost: payload.length + PIECE_OVERHEAD_BYTES };
    }
    this.#cost += payload.length + PIECE_OVERHEAD_BYTES;
    const left = this.#left(chunk);
    const right = this.#right(chunk);
    let run: Run;
    if (left) {
      this.#forget(left);
      left.parts.push({ tsn, payload });
      left.bytes += payload.length;
      left.last = tsn;
      left.ends = chunk.end;
      run = left;
      if (right) {
        this.#forget(right);
        run = join(left, right);
      }
    } else if (right) {
      this.#forget(right);
      right.parts.push({ tsn, payload });
      right.sorted = false;
      right.bytes += payload.length;
      right.first = tsn;
      right.begins = chunk.begin;
      if (chunk.begin) right.ppid = ppid;
      run = right;
    } else {
      run = {
        first: tsn,
        last: tsn,
        begins: chunk.begin,
        ends: chunk.end,
        sorted: true,
        parts: [{ tsn, payload }],
        bytes: payload.length,
        ppid,
        streamId,
        ssn,
        unordered,
      };
    }
    if (run.begins && run.ends) {
      this.#cost -= runCost(run);
      return assemble(run);
    }
    this.#byFirst.set(run.first, run);
    this.#byLast.set(run.last, run);
    return undefined;
  }

  /** Drops fragments of messages that the peer gave up by moving the cumulative TSN to `tsn` (RFC 3758 §3.6). */
  discardUpTo(tsn: number): void {
    for (const run of [...this.#byFirst.values()]) {
      const passed = serialDelta32(run.last, tsn) >= 0;
      const beheaded = !run.begins && serialDelta32(run.first, tsn) >= -1;
      if (passed || beheaded) this.#discard(run);
    }
  }

  /** Drops what has arrived of streams that begin anew; an empty list means all streams. */
  discardStreams(streamIds: readonly number[]): void {
    if (this.#byFirst.size === 0) return;
    const discarded = new Set(streamIds);
    for (const run of [...this.#byFirst.values()]) {
      if (discarded.size === 0 || discarded.has(run.streamId)) this.#discard(run);
    }
  }

  #discard(run: Run): void {
    this.#forget(run);
    this.#cost -= runCost(run);
  }

  #left(chunk: DataChunk): Run | undefined {
    if (chunk.begin) return undefined;
    const run = this.#byLast.get(serialAdd32(chunk.tsn, -1));
    return run && !run.ends && isSameMessage(run, chunk) ? run : undefined;
  }

  #right(chunk: DataChunk): Run | undefined {
    if (chunk.end) return undefined;
    const run = this.#byFirst.get(serialAdd32(chunk.tsn, 1));
    return run && !run.begins && isSameMessage(run, chunk) ? run : undefined;
  }

  #forget(run: Run): void {
    this.#byFirst.delete(run.first);
    this.#byLast.delete(run.last);
  }
}

function isSameMessage(run: Run, chunk: DataChunk): boolean {
  return (
    run.streamId === chunk.streamId &&
    run.unordered === chunk.unordered &&
    (run.unordered || run.ssn === chunk.ssn)
  );
}

/** One run of two neighbours; the smaller list moves, so that many joins cost little. */
function join(left: Run, right: Run): Run {
  const [kept, moved] = left.parts.length >= right.parts.length ? [left, right] : [right, left];
  const sorted = kept === left && left.sorted && right.sorted;
  for (const part of moved.parts) kept.parts.push(part);
  return {
    ...left,
    last: right.last,
    ends: right.ends,
    parts: kept.parts,
    bytes: left.bytes + right.bytes,
    sorted,
  };
}

function runCost(run: Run): number {
  return run.bytes + run.parts.length * PIECE_OVERHEAD_BYTES;
}

function assemble(run: Run): InboundMessage {
  if (!run.sorted) run.parts.sort((a, b) => serialDelta32(b.tsn, a.tsn));
  const data = new Uint8Array(run.bytes);
  let at = 0;
  for (const { payload } of run.parts) {
    data.set(payload, at);
    at += payload.length;
  }
  const { streamId, ssn, ppid, unordered } = run;
  return { streamId, ssn, ppid, unordered, data, cost: run.bytes + PIECE_OVERHEAD_BYTES };
}
