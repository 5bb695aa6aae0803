import { createHmac } from 'node:crypto';
import type { NowMs } from '@conclave/bytes';
import { type DtlsIdentity, generateDtlsIdentity, SrtpProfile } from '@conclave/forwarder';
import { formatCandidate, type IcePath } from '@conclave/ice';
import { LossyLink, type LossyLinkOptions, SeededRandom } from '@conclave/testkit';
import { PeerTransport, type PeerTransportOptions, type TransportEvent } from '../src/index.ts';
import { createPatientDtlsSession } from './patient-dtls.ts';

/** An address with its port, as it stands in a packet. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** How the pair and the network between them are made. */
export interface TransportPairOptions {
  /** From the client to the server, and back. */
  readonly up?: LossyLinkOptions;
  readonly down?: LossyLinkOptions;
  readonly server?: Partial<PeerTransportOptions>;
  readonly client?: Partial<PeerTransportOptions>;
  /** Fingerprint of its certificate that the client announces. Default: the true one. */
  readonly announcedByClient?: string;
  /** The same of the server. */
  readonly announcedByServer?: string;
  /** The server is reached by TCP alone. The client's end does not know it: framing is no part of a transport. */
  readonly tcp?: boolean;
}

interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

/** One side, with all it has said so far. */
export class Side {
  readonly transport: PeerTransport;
  readonly identity: DtlsIdentity;
  readonly ufrag: string;
  readonly pwd: string;
  readonly candidates: string[] = [];
  readonly events: TransportEvent[] = [];
  /** The paths of the last event about them. */
  valid: readonly IcePath[] = [];
  sendTo: IcePath | undefined;

  constructor(name: string, options: Partial<PeerTransportOptions>, random: SeededRandom) {
    this.identity = options.identity ?? generateDtlsIdentity();
    this.ufrag = `${name}Ufrag`;
    this.pwd = `${name}PasswordOf24Characters`;
    this.transport = new PeerTransport({
      iceRole: name === 'server' ? 'controlling' : 'controlled',
      ufrag: this.ufrag,
      pwd: this.pwd,
      transactionTag: name === 'server' ? 1 : 2,
      random: random.bytes,
      hmacSha1: (key, data) => createHmac('sha1', key).update(data).digest(),
      createDtlsSession: createPatientDtlsSession,
      srtpProfiles: [SrtpProfile.aeadAes128Gcm, SrtpProfile.aes128CmSha1_80],
      ...options,
      identity: this.identity,
    });
  }

  /** All events of one type. */
  eventsOf<Type extends TransportEvent['type']>(type: Type): Extract<TransportEvent, { type: Type }>[] {
    return this.events.filter((e): e is Extract<TransportEvent, { type: Type }> => e.type === type);
  }

  /** Why it failed, if it did. */
  get failure(): string | undefined {
    return this.eventsOf('failed')[0]?.reason;
  }

  /** The stream of its first open channel. */
  get channel(): number | undefined {
    return this.eventsOf('channel-open')[0]?.streamId;
  }

  /** Data of all messages it got. */
  get messages(): (string | Uint8Array)[] {
    return this.eventsOf('message').map((event) => event.data);
  }
}

export const SERVER_AT: Endpoint = { address: '192.0.2.1', port: 40_000 };
export const CLIENT_AT: Endpoint = { address: '198.51.100.9', port: 5000 };

const SERVER_SOCKET = 1;
const CLIENT_SOCKET = 7;
const FIRST_CONNECTION = 100;

/**
 * A server's and a client's transport with real DTLS on virtual time, and a network between them that loses, repeats
 * and overtakes, knows addresses, and passes DTLS to the server only from validated paths, as the forwarder does.
 */
export class TransportPair {
  readonly server: Side;
  readonly client: Side;
  /** Everything on the way is held against this; datagrams for which it says true vanish. */
  blocks: (datagram: Datagram) => boolean = () => false;
  /** What passed the network, in order of sending. */
  readonly sent: Datagram[] = [];
  readonly #options: TransportPairOptions;
  readonly #up: LossyLink;
  readonly #down: LossyLink;
  readonly #datagrams: Datagram[] = [];
  #clientAt = CLIENT_AT;
  #connection = FIRST_CONNECTION;
  #now: NowMs = 0;

  constructor(options: TransportPairOptions = {}) {
    this.#options = options;
    const random = new SeededRandom(options.up?.seed ?? 1);
    this.server = new Side('server', options.server ?? {}, random);
    this.client = new Side('client', options.client ?? {}, random);
    this.#up = new LossyLink({ seed: 11, delayMs: 20, ...options.up });
    this.#down = new LossyLink({ seed: 12, delayMs: 20, ...options.down });
    const { address, port } = SERVER_AT;
    this.server.transport.addLocalCandidate({
      socket: SERVER_SOCKET,
      address,
      advertisedAddress: address,
      port,
      transport: options.tcp ? 'tcp' : 'udp',
      ...(options.tcp ? { tcpType: 'passive' as const } : {}),
    });
    this.server.candidates.push(`1 1 udp 2130706431 ${address} ${port} typ host`);
    const local = this.client.transport.addLocalCandidate({
      socket: CLIENT_SOCKET,
      address: CLIENT_AT.address,
      advertisedAddress: CLIENT_AT.address,
      port: CLIENT_AT.port,
      transport: 'udp',
    });
    if (!options.tcp) this.client.candidates.push(formatCandidate(local));
  }

  get now(): NowMs {
    return this.#now;
  }

  /** Datagrams that the network lost, repeated, and delivered in both directions. */
  get counts(): { readonly lost: number; readonly duplicated: number; readonly delivered: number } {
    const { counts: up } = this.#up;
    const { counts: down } = this.#down;
    return {
      lost: up.lost + down.lost,
      duplicated: up.duplicated + down.duplicated,
      delivered: up.delivered + down.delivered,
    };
  }

  /** The path by which the server knows the client, at any address of it. */
  pathFrom(from: Endpoint): IcePath {
    if (this.#options.tcp) return { socket: this.#connection, ...from, transport: 'tcp' };
    return { socket: SERVER_SOCKET, ...from, transport: 'udp' };
  }

  /** Gives each side the other's description. */
  introduce(): void {
    this.introduceServerToClient();
    this.introduceClientToServer();
  }

  /** The client has the offer. */
  introduceServerToClient(): void {
    const { ufrag, pwd, candidates, identity } = this.server;
    const fingerprint = this.#options.announcedByServer ?? identity.fingerprint;
    this.client.transport.setRemote(this.#now, { ufrag, pwd, candidates, fingerprint, setup: 'passive' });
    this.#drain();
  }

  /** The server has the answer. */
  introduceClientToServer(): void {
    const { ufrag, pwd, candidates, identity } = this.client;
    const fingerprint = this.#options.announcedByClient ?? identity.fingerprint;
    this.server.transport.setRemote(this.#now, { ufrag, pwd, candidates, fingerprint, setup: 'active' });
    this.#drain();
  }

  /** Has both told of each other, the server open a channel, and goes on until it is open on both sides. */
  connect(): void {
    this.server.transport.openChannel(this.#now, 'calling-3.0');
    this.introduce();
    const open = () => this.server.channel !== undefined && this.client.channel !== undefined;
    if (!this.runUntil(open, 20_000)) {
      throw new Error(`no channel: ${this.server.failure ?? ''} ${this.client.failure ?? ''}`);
    }
  }

  /** The client's packets come from another address from now on, and those to the old one are lost. */
  moveClient(to: Endpoint): void {
    this.#clientAt = to;
  }

  /** The client's TCP connection ends, and it makes another. */
  reconnectTcp(to: Endpoint): void {
    const gone = this.#connection;
    this.#connection += 1;
    this.#clientAt = to;
    this.server.transport.handlePathClosed(this.#now, gone);
    this.#drain();
  }

  /** Has one side do something at this moment. */
  act<Result>(action: (now: NowMs) => Result): Result {
    const result = action(this.#now);
    this.#drain();
    return result;
  }

  /** A datagram of anybody's, at the server's socket now. */
  inject(from: Endpoint, bytes: Uint8Array): void {
    this.#deliverToServer(from, bytes);
    this.#drain();
  }

  runFor(durationMs: number): void {
    this.runUntil(() => false, durationMs);
  }

  /** Goes on until the condition holds, and says whether it does within the time. */
  runUntil(condition: () => boolean, limitMs: number): boolean {
    const endMs = this.#now + limitMs;
    let stepsAtOnce = 0;
    for (;;) {
      this.#drain();
      if (condition()) return true;
      const next = this.#nextTime();
      if (next === undefined || next > endMs) {
        this.#now = Math.max(this.#now, endMs);
        return false;
      }
      stepsAtOnce = next > this.#now ? 0 : stepsAtOnce + 1;
      if (stepsAtOnce > 10_000) throw new Error(`a transport does not get past ${this.#now} ms`);
      this.#now = Math.max(this.#now, next);
      this.#step();
    }
  }

  #nextTime(): NowMs | undefined {
    const sources = [this.server.transport, this.client.transport, this.#up, this.#down];
    const times = sources.map((source) => source.pollTimeout()).filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #step(): void {
    for (const link of [this.#up, this.#down]) {
      for (let token = link.receive(this.#now); token; token = link.receive(this.#now)) {
        const datagram = this.#datagrams[new DataView(token.buffer).getUint32(0)]!;
        if (link === this.#up) this.#deliverToServer(datagram.from, datagram.bytes);
        else this.#deliverToClient(datagram);
        this.#drain();
      }
    }
    for (const { transport } of [this.server, this.client]) {
      const due = transport.pollTimeout();
      if (due !== undefined && due <= this.#now) transport.handleTimeout(this.#now);
    }
  }

  #deliverToServer(from: Endpoint, bytes: Uint8Array): void {
    const path = this.pathFrom(from);
    const { transport, valid } = this.server;
    if (isStun(bytes)) transport.handleStun(this.#now, path, bytes);
    else if (valid.some((one) => one.address === from.address && one.port === from.port)) {
      transport.handleDtls(this.#now, path, bytes);
    }
  }

  #deliverToClient({ to, bytes }: Datagram): void {
    if (to.address !== this.#clientAt.address || to.port !== this.#clientAt.port) return;
    const path: IcePath = { socket: CLIENT_SOCKET, ...SERVER_AT, transport: 'udp' };
    if (isStun(bytes)) this.client.transport.handleStun(this.#now, path, bytes);
    else this.client.transport.handleDtls(this.#now, path, bytes);
  }

  #drain(): void {
    for (const side of [this.server, this.client]) {
      for (let event = side.transport.pollEvent(); event; event = side.transport.pollEvent()) {
        side.events.push(event);
        if (event.type === 'paths') ({ valid: side.valid, sendTo: side.sendTo } = event);
      }
      for (let t = side.transport.pollTransmit(); t; t = side.transport.pollTransmit()) {
        const to = { address: t.path.address, port: t.path.port };
        // What goes to a TCP connection that has ended reaches nobody.
        if (t.path.transport === 'tcp' && t.path.socket !== this.#connection) continue;
        if (side === this.server) this.#send(this.#down, { from: SERVER_AT, to, bytes: t.bytes });
        else this.#send(this.#up, { from: this.#clientAt, to, bytes: t.bytes });
      }
    }
  }

  #send(link: LossyLink, datagram: Datagram): void {
    if (this.blocks(datagram)) return;
    this.sent.push(datagram);
    // The link carries a ticket: its datagrams have no addresses.
    const ticket = new Uint8Array(Math.max(4, datagram.bytes.length));
    new DataView(ticket.buffer).setUint32(0, this.#datagrams.push(datagram) - 1);
    link.send(this.#now, ticket);
  }
}

/** Whether a datagram is STUN, by its first byte (RFC 7983). */
export function isStun(bytes: Uint8Array): boolean {
  return (bytes[0] ?? 255) < 4;
}

/** Whether a datagram is DTLS, by its first byte (RFC 7983). */
export function isDtls(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  return first >= 20 && first < 64;
}
