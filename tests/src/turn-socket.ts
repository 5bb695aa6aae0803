import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Hash, type Hmac, Secret } from '@conclave/bytes';
import { createDtlsSession, type DtlsSession, generateDtlsIdentity } from '@conclave/forwarder';
import type { TransportAddress } from '@conclave/stun';
import {
  TurnClient,
  type TurnClientEvent,
  type TurnClientOptions,
  TurnStreamFramer,
  type TurnTransport,
} from '@conclave/turn';

const hmac =
  (name: string): Hmac =>
  (key, data) =>
    createHmac(name, key).update(data).digest();
const hash =
  (name: string): Hash =>
  (data) =>
    createHash(name).update(data).digest();

/** The hashes that our client needs. */
export const turnClientHashes = {
  md5: hash('md5'),
  sha256: hash('sha256'),
  hmacSha1: hmac('sha1'),
  hmacSha256: hmac('sha256'),
};

/** A way to a server that carries whole messages. */
export interface MessageLine {
  send(bytes: Uint8Array): void;
  close(): void;
  readonly localPort: number;
}

/** Opens a way to a server; `onMessage` hears each STUN or ChannelData message, `onClosed` the end. */
export async function openLine(
  transport: TurnTransport,
  server: TransportAddress,
  onMessage: (bytes: Uint8Array) => void,
  onClosed: () => void = () => undefined,
  localAddress?: string,
): Promise<MessageLine> {
  if (transport === 'udp' || transport === 'dtls') {
    const socket = createSocket({
      type: server.address.includes(':') ? 'udp6' : 'udp4',
      recvBufferSize: 1 << 21,
    });
    socket.on('error', () => undefined);
    socket.bind(0, localAddress);
    await once(socket, 'listening');
    socket.connect(server.port, server.address);
    await once(socket, 'connect');
    return transport === 'udp' ? datagrams(socket, onMessage) : secureDatagrams(socket, onMessage, onClosed);
  }
  const at = { host: server.address, port: server.port, ...(localAddress ? { localAddress } : {}) };
  const socket: Socket = transport === 'tcp' ? connect(at) : connectTls({ ...at, rejectUnauthorized: false });
  const framer = new TurnStreamFramer();
  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    framer.push(chunk);
    for (let message = framer.next(); message; message = framer.next()) onMessage(message);
  });
  await once(socket, transport === 'tcp' ? 'connect' : 'secureConnect');
  socket.on('error', () => undefined);
  socket.on('close', onClosed);
  return {
    send: (bytes) => void socket.write(bytes),
    close: () => socket.destroy(),
    localPort: socket.localPort!,
  };
}

function datagrams(socket: UdpSocket, onMessage: (bytes: Uint8Array) => void): MessageLine {
  socket.on('message', onMessage);
  return {
    send: (bytes) => socket.send(bytes, () => undefined),
    close: () => socket.close(),
    localPort: socket.address().port,
  };
}

async function secureDatagrams(
  socket: UdpSocket,
  onMessage: (bytes: Uint8Array) => void,
  onClosed: () => void,
): Promise<MessageLine> {
  const session: DtlsSession = createDtlsSession({
    identity: generateDtlsIdentity(),
    role: 'client',
    srtpProfiles: [],
  });
  let timer: NodeJS.Timeout | undefined;
  let connected: () => void = () => undefined;
  let failed: (error: Error) => void = () => undefined;
  const settle = (): void => {
    for (let out = session.pollTransmit(); out; out = session.pollTransmit())
      socket.send(out, () => undefined);
    for (let event = session.pollEvent(); event; event = session.pollEvent()) {
      if (event.type === 'connected') connected();
      else if (event.type === 'data') onMessage(event.bytes);
      else {
        failed(new Error(`DTLS: ${event.reason}`));
        onClosed();
      }
    }
    clearTimeout(timer);
    const due = session.pollTimeout();
    if (due === undefined) return;
    timer = setTimeout(
      () => {
        session.handleTimeout(performance.now());
        settle();
      },
      Math.max(0, due - performance.now()),
    );
  };
  socket.on('message', (bytes) => {
    session.handlePacket(performance.now(), bytes);
    settle();
  });
  await new Promise<void>((resolve, reject) => {
    [connected, failed] = [resolve, reject];
    session.start(performance.now());
    settle();
  });
  return {
    send: (bytes) => {
      session.send(bytes);
      settle();
    },
    close: () => {
      session.close();
      settle();
      clearTimeout(timer);
      socket.close();
    },
    localPort: socket.address().port,
  };
}

/** Where and as whom to allocate. */
export interface TurnSocketOptions
  extends Partial<Omit<TurnClientOptions, 'password' | 'server' | 'transport'>> {
  readonly transport: TurnTransport;
  readonly server: TransportAddress;
  readonly username: string;
  readonly password: string;
  /** Address to come from. */
  readonly localAddress?: string;
  /** Hears every message that is sent to the server. */
  readonly onSent?: (bytes: Uint8Array) => void;
}

/** A relayed address that works like a socket: the TURN client of ours over a real connection. */
export class TurnSocket {
  readonly client: TurnClient;
  readonly events: TurnClientEvent[] = [];
  readonly received: { readonly peer: TransportAddress; readonly bytes: Uint8Array }[] = [];
  #line: MessageLine | undefined;
  #timer: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  readonly #onSent: (bytes: Uint8Array) => void;

  private constructor(client: TurnClient, onSent: (bytes: Uint8Array) => void) {
    this.client = client;
    this.#onSent = onSent;
  }

  /** Connects and asks for an allocation; resolves when the server has answered, whatever it said. */
  static async open(options: TurnSocketOptions): Promise<TurnSocket> {
    const client = new TurnClient({
      hashes: turnClientHashes,
      random: (size) => randomBytes(size),
      ...options,
      password: new Secret(options.password),
    });
    const socket = new TurnSocket(client, options.onSent ?? (() => undefined));
    socket.#line = await openLine(
      options.transport,
      options.server,
      (bytes) => socket.#step(() => client.handlePacket(performance.now(), bytes)),
      () => socket.#step(() => client.handleTransportClosed(performance.now())),
      options.localAddress,
    );
    socket.#step(() => client.allocate(performance.now()));
    await socket.until('the answer to Allocate', () =>
      socket.events.some(({ kind }) => kind === 'allocated' || kind === 'closed' || kind === 'redirected'),
    );
    return socket;
  }

  /** The relayed address. Throws when there is none. */
  get relayed(): TransportAddress {
    const [first] = this.client.relayed;
    if (!first) throw new Error(`no allocation: ${JSON.stringify(this.events)}`);
    return first;
  }

  /** Code of the refusal that ended it, or `undefined`. */
  get refusal(): number | undefined {
    const end = this.events.find((event) => event.kind === 'closed');
    return end?.kind === 'closed' ? end.code : undefined;
  }

  /** Asks for a permission; resolves to 0 or to the error code. */
  async permit(peer: string): Promise<number> {
    this.#step(() => this.client.permit(performance.now(), peer));
    const said = () =>
      this.events.find((e) => (e.kind === 'permitted' || e.kind === 'refused') && e.peer === peer);
    await this.until(`an answer about ${peer}`, () => said() !== undefined);
    const event = said()!;
    return event.kind === 'refused' ? event.code : 0;
  }

  /** Binds a channel to the peer; resolves to 0 when it is bound, or to the error code. */
  async bind(peer: TransportAddress): Promise<number> {
    const before = this.events.length;
    this.#step(() => this.client.bindChannel(performance.now(), peer));
    const said = () =>
      this.events.find(
        (e, i) =>
          (e.kind === 'channel-bound' && e.peer.port === peer.port) ||
          (e.kind === 'refused' && e.peer === peer.address && i >= before),
      );
    await this.until('the channel', () => said() !== undefined);
    const event = said()!;
    return event.kind === 'refused' ? event.code : 0;
  }

  /** Sends to a peer, in the channel if one is bound. */
  send(peer: TransportAddress, bytes: Uint8Array): void {
    this.#step(() => this.client.send(performance.now(), peer, bytes));
  }

  /** Resolves when `holds`; fails after `timeoutMs`. */
  async until(what: string, holds: () => boolean, timeoutMs = 15_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(`${what}: not within ${timeoutMs} ms; ${JSON.stringify(this.events.slice(-5))}`);
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(late);
          resolve();
        });
      });
    }
  }

  /** Sends bytes to the server as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.#line?.send(bytes);
  }

  /** The port it comes from. */
  get localPort(): number {
    return this.#line?.localPort ?? 0;
  }

  /** Gives the allocation back and resolves when the server has confirmed it. */
  async release(): Promise<void> {
    this.#step(() => this.client.release(performance.now()));
    await this.until('the release', () => this.events.some(({ kind }) => kind === 'closed'));
    this.close();
  }

  /** Drops the line without a word. */
  close(): void {
    clearTimeout(this.#timer);
    this.#line?.close();
    this.#line = undefined;
  }

  #step(act: () => void): void {
    act();
    for (let out = this.client.pollTransmit(); out; out = this.client.pollTransmit()) {
      this.#onSent(out.bytes);
      this.#line?.send(out.bytes);
    }
    for (let event = this.client.pollEvent(); event; event = this.client.pollEvent()) {
      if (event.kind === 'data') this.received.push({ peer: event.peer, bytes: event.bytes.slice() });
      else this.events.push(event);
    }
    clearTimeout(this.#timer);
    const due = this.client.pollTimeout();
    if (due !== undefined && this.#line) {
      this.#timer = setTimeout(
        () => this.#step(() => this.client.handleTimeout(performance.now())),
        Math.max(0, Math.ceil(due - performance.now())),
      );
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
