import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { attributeType, StunBuilder, stunMethod } from '@conclave/stun';
import {
  type ConnectionId,
  createRelayPlane,
  type RelayClient,
  type RelayEndpoint,
  type RelayEvent,
  type RelayId,
  type RelayPlane,
  type RelayPlaneOptions,
  type RelayRequest,
  type RelayTransport,
} from '../src/index.ts';

export const LOOPBACK = '127.0.0.1';
const WAIT_MS = 20_000;

export const relayId = (id: number): RelayId => id as RelayId;
export const connectionId = (id: number): ConnectionId => id as ConnectionId;
export const bytesOf = (length: number, start = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (start + i) & 0xff);

/** A promise that fails with a sentence when nothing happens for long. */
async function soon<T>(what: string, wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(WAIT_MS);
  try {
    return await wait(signal);
  } catch (error) {
    throw signal.aborted ? new Error(`${what} did not come`, { cause: error }) : error;
  }
}

/** Things that come, to be taken in their order by whoever waits for them. */
export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: { readonly wanted: (item: T) => boolean; readonly take: (item: T) => void }[] = [];

  push(item: T): void {
    const at = this.#waiting.findIndex(({ wanted }) => wanted(item));
    if (at < 0) this.#items.push(item);
    else this.#waiting.splice(at, 1)[0]!.take(item);
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first that is wanted, now or later. */
  next(what: string, wanted: (item: T) => boolean = () => true): Promise<T> {
    const at = this.#items.findIndex(wanted);
    if (at >= 0) return Promise.resolve(this.#items.splice(at, 1)[0]!);
    return soon(what, (signal) => {
      return new Promise((resolve, reject) => {
        const entry = { wanted, take: resolve };
        this.#waiting.push(entry);
        signal.addEventListener('abort', () => {
          this.#waiting.splice(this.#waiting.indexOf(entry), 1);
          reject(signal.reason);
        });
      });
    });
  }
}

/** A plane whose events are waited for. */
export class RelayBed {
  readonly plane: RelayPlane;
  readonly events = new Inbox<RelayEvent>();

  constructor(options: Partial<RelayPlaneOptions> = {}) {
    this.plane = createRelayPlane({
      listeners: [{ transport: 'udp', address: LOOPBACK, port: 0 }],
      relayAddresses: [{ address: LOOPBACK, firstPort: 20_000, lastPort: 29_999 }],
      messagesPerSecond: 1_000_000,
      ...options,
      onEvents: (events) => {
        for (const event of events) this.events.push(event);
      },
    });
  }

  close(): void {
    this.plane.close();
  }

  port(transport: RelayTransport = 'udp'): number {
    return this.plane.listeners.find((listener) => listener.transport === transport)!.port;
  }

  event<K extends RelayEvent['type']>(
    type: K,
    wanted: (event: Extract<RelayEvent, { type: K }>) => boolean = () => true,
  ): Promise<Extract<RelayEvent, { type: K }>> {
    const isWanted = (event: RelayEvent): boolean =>
      event.type === type && wanted(event as Extract<RelayEvent, { type: K }>);
    return this.events.next(`a ${type} event`, isWanted) as Promise<Extract<RelayEvent, { type: K }>>;
  }

  /** The client as the plane names it, once its message came. */
  async client(port: number): Promise<RelayClient> {
    return (await this.event('message', (event) => event.client.remote.port === port)).client;
  }

  /** Opens a relay and returns its address. */
  async open(id: number, client: RelayClient, request: Partial<RelayRequest> = {}): Promise<RelayEndpoint> {
    this.plane.openRelay(relayId(id), {
      ...{ transport: 'udp', family: 4, client, evenPort: false, reserved: false, maxBytesPerSecond: 0 },
      ...request,
    });
    return (await this.event('relay-opened', ({ relay }) => relay === id)).address;
  }

  /** Waits until a counter has a value: counters have no events of their own. */
  async counter(name: string, reached: (value: number) => boolean): Promise<number> {
    return await soon(name, async (signal) => {
      for (;;) {
        const value = this.plane.readCounters()[name]!;
        if (reached(value)) return value;
        signal.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    });
  }
}

/** A UDP socket whose datagrams are waited for. */
export class UdpEnd {
  readonly socket: Socket;
  readonly inbox = new Inbox<{ readonly bytes: Uint8Array; readonly from: RelayEndpoint }>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('message', (bytes, { address, port }) => {
      this.inbox.push({ bytes: new Uint8Array(bytes), from: { address, port } });
    });
  }

  static async open(address = LOOPBACK): Promise<UdpEnd> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.bind(0, address);
    await once(socket, 'listening');
    return new UdpEnd(socket);
  }

  get at(): RelayEndpoint {
    const { address, port } = this.socket.address();
    return { address, port };
  }

  send(bytes: Uint8Array, to: RelayEndpoint): void {
    this.socket.send(bytes, to.port, to.address);
  }

  async next(): Promise<{ readonly bytes: Uint8Array; readonly from: RelayEndpoint }> {
    return await this.inbox.next('a datagram');
  }

  close(): void {
    this.socket.close();
  }
}

let transactions = 0;
function newTransactionId(): Uint8Array {
  const id = new Uint8Array(12);
  new DataView(id.buffer).setUint32(8, ++transactions);
  return id;
}

/** A request of any method, with nothing in it. */
export function stunRequest(method: number = stunMethod.binding): Uint8Array {
  return new StunBuilder({ class: 'request', method, transactionId: newTransactionId() }).finish();
}

export function sendIndication(peer: RelayEndpoint, data: Uint8Array, dontFragment = false): Uint8Array {
  const head = { class: 'indication', method: stunMethod.send, transactionId: newTransactionId() } as const;
  const builder = new StunBuilder(head).xorAddress(attributeType.xorPeerAddress, peer);
  if (dontFragment) builder.attribute(attributeType.dontFragment);
  return builder.attribute(attributeType.data, data).finish();
}

export function channelData(channel: number, data: Uint8Array, padded = false): Uint8Array {
  const bytes = new Uint8Array(4 + (padded ? (data.length + 3) & ~3 : data.length));
  bytes.set([channel >> 8, channel & 0xff, data.length >> 8, data.length & 0xff]);
  bytes.set(data, 4);
  return bytes;
}
