import type { Path } from '@conclave/forwarder';

const PLACES = 128;
const HOLD_US = 500_000;
const SHORTEST = 25;
const LONGEST = 1500;
const HANDSHAKE_RECORD = 22;
const MESSAGE_TYPE_AT = 13;
const CLIENT_HELLO = 1;

interface Held {
  readonly key: string;
  readonly untilUs: number;
  readonly bytes: Uint8Array;
}

/** ClientHellos that came before their path was validated; the model of native/early_hellos.h. */
export class ModelEarlyHellos {
  readonly #held: (Held | undefined)[] = new Array<Held | undefined>(PLACES).fill(undefined);
  #next = 0;

  /** Holds the datagram if it can be a client's first message. */
  hold(path: Path, bytes: Uint8Array, nowUs: number): void {
    if (bytes.length < SHORTEST || bytes.length > LONGEST) return;
    if (bytes[0] !== HANDSHAKE_RECORD || bytes[MESSAGE_TYPE_AT] !== CLIENT_HELLO) return;
    const key = keyOf(path);
    let place = this.#held.findIndex((held) => held?.key === key);
    if (place < 0) {
      place = this.#next;
      this.#next = (this.#next + 1) % PLACES;
    }
    this.#held[place] = { key, untilUs: nowUs + HOLD_US, bytes: Uint8Array.from(bytes) };
  }

  /** What is held of the path, once, if it is fresh. */
  take(path: Path, nowUs: number): Uint8Array | undefined {
    const place = this.#held.findIndex((held) => held?.key === keyOf(path));
    const held = this.#held[place];
    if (held === undefined) return undefined;
    this.#held[place] = undefined;
    return nowUs <= held.untilUs ? held.bytes : undefined;
  }
}

function keyOf(path: Path): string {
  return `${path.socket} ${path.address} ${path.port}`;
}
