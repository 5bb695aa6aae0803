/** Bytes that may wait for one thread before they go at once. Lower: more wake-ups under load; higher: more memory. */
const maxWaitingBytes = 65_536;

/**
 * Gathers the records of one turn of the event loop and hands each thread all of its own at once. To wake a thread costs
 * more than most of what it is told: a client that joins causes some forty records.
 */
export class CommandBatch {
  readonly #post: (thread: number, records: Uint8Array) => void;
  readonly #waiting: { bytes: Uint8Array; length: number }[];
  #scheduled: NodeJS.Immediate | undefined;

  /** `post` takes whole records; the bytes are overwritten when it returns. */
  constructor(threads: number, post: (thread: number, records: Uint8Array) => void) {
    this.#post = post;
    this.#waiting = Array.from({ length: threads }, () => ({ bytes: new Uint8Array(4096), length: 0 }));
  }

  /** Adds one record, which is copied. It is handed over at the end of this turn of the event loop at the latest. */
  add(thread: number, record: Uint8Array): void {
    const waiting = this.#waiting[thread];
    if (!waiting) return;
    const length = waiting.length + record.length;
    if (length > waiting.bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * waiting.bytes.length));
      larger.set(waiting.bytes.subarray(0, waiting.length));
      waiting.bytes.fill(0);
      waiting.bytes = larger;
    }
    waiting.bytes.set(record, waiting.length);
    waiting.length = length;
    if (length >= maxWaitingBytes) this.#flushThread(thread);
    else this.#scheduled ??= setImmediate(() => this.flush());
  }

  /** Whether nothing waits for the thread. */
  isEmpty(thread: number): boolean {
    return (this.#waiting[thread]?.length ?? 0) === 0;
  }

  /** Hands over what waits, now. */
  flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    for (let thread = 0; thread < this.#waiting.length; thread++) this.#flushThread(thread);
  }

  #flushThread(thread: number): void {
    const waiting = this.#waiting[thread];
    if (!waiting || waiting.length === 0) return;
    const records = waiting.bytes.subarray(0, waiting.length);
    waiting.length = 0;
    this.#post(thread, records);
    // Keys were among it.
    records.fill(0);
    if (waiting.bytes.length > maxWaitingBytes) waiting.bytes = new Uint8Array(4096);
  }
}
