import { Secret } from '@conclave/bytes';
import {
  attributeType,
  decodeErrorCode,
  findAttribute,
  longTermKey,
  parseStun,
  StunBuilder,
  type StunMessage,
  stunMethod,
  type TransportAddress,
  verifyIntegrity,
  verifyIntegritySha256,
} from '@conclave/stun';
import {
  encodePasswordAlgorithms,
  type FiveTuple,
  PeerPolicy,
  type PeerPolicyLists,
  type RelayId,
  TurnServer,
  type TurnServerEffect,
  type TurnServerOptions,
  type TurnTransport,
  TurnUsers,
} from '../src/index.ts';
import { hashes, seededRandom } from './node-hashes.ts';

export const REALM = 'example.org';
export const OWN_ADDRESS = '9.1.1.1';
export const UNIX_MS = 1_800_000_000_000;

export function clientTuple(port = 4000, transport: TurnTransport = 'udp', address = '8.8.4.4'): FiveTuple {
  const local = { address: OWN_ADDRESS, port: 3478 };
  return { transport, local, remote: { address, port } };
}

export interface BenchOptions extends Partial<TurnServerOptions> {
  readonly policy?: PeerPolicyLists;
}

interface OpenPort {
  readonly address: TransportAddress;
  readonly permissions: Set<string>;
  readonly channels: Map<number, string>;
}

/** A server with a data plane that opens every relay at once and notes what it was told. */
export class ServerBench {
  readonly server: TurnServer;
  readonly users: TurnUsers;
  readonly effects: TurnServerEffect[] = [];
  readonly ports = new Map<RelayId, OpenPort | 'kept'>();
  readonly openConnections = new Set<number>();
  now = 1_000_000;
  unixMs = UNIX_MS;
  answersOpen = true;
  failFamily: number | undefined;
  #nextPort = 50_000;
  readonly #random = seededRandom(77);

  constructor({ policy, ...options }: BenchOptions = {}) {
    this.users = new TurnUsers(REALM, hashes);
    this.users.setStaticUsers([
      { username: 'alice', password: new Secret('wonder') },
      { username: 'bob', password: new Secret('builder') },
    ]);
    this.server = new TurnServer({
      realm: REALM,
      users: this.users,
      hashes,
      random: seededRandom(1),
      unixTimeMs: () => this.unixMs,
      peerPolicy: new PeerPolicy({ own: [OWN_ADDRESS], ...policy }),
      relayFamilies: [4, 6],
      tcpRelays: true,
      ...options,
    });
  }

  transactionId(): Uint8Array {
    return this.#random(12);
  }

  /** Carries out effects and returns those of this round. */
  drain(): TurnServerEffect[] {
    const round: TurnServerEffect[] = [];
    for (let e = this.server.pollEffect(); e; e = this.server.pollEffect()) {
      round.push(e);
      this.effects.push(e);
      this.#carryOut(e);
    }
    return round;
  }

  packet(tuple: FiveTuple, bytes: Uint8Array): TurnServerEffect[] {
    this.server.handlePacket(this.now, tuple, bytes);
    return this.drain();
  }

  advance(ms: number): TurnServerEffect[] {
    const end = this.now + ms;
    const all: TurnServerEffect[] = [];
    for (
      let due = this.server.pollTimeout();
      due !== undefined && due <= end;
      due = this.server.pollTimeout()
    ) {
      this.now = Math.max(this.now, due);
      this.server.handleTimeout(this.now);
      all.push(...this.drain());
    }
    this.now = end;
    return all;
  }

  #carryOut(e: TurnServerEffect): void {
    if (e.kind === 'open-relay') {
      if (!this.answersOpen) return;
      if (this.failFamily === e.family) {
        this.server.handleRelayFailed(this.now, e.relay);
        return;
      }
      if (e.reserved && this.ports.get(e.relay) !== 'kept') throw new Error('not a kept port');
      const port = this.#nextPort++;
      const address = { address: e.family === 4 ? OWN_ADDRESS : '2600::1:1', port };
      this.ports.set(e.relay, { address, permissions: new Set(), channels: new Map() });
      if (e.reserveNextAs !== undefined) this.ports.set(e.reserveNextAs, 'kept');
      this.server.handleRelayOpened(this.now, e.relay, address);
    } else if (e.kind === 'close-relay') this.ports.delete(e.relay);
    else if (e.kind === 'add-permission') this.port(e.relay).permissions.add(e.peer);
    else if (e.kind === 'remove-permission') {
      if (!this.port(e.relay).permissions.delete(e.peer)) throw new Error('no such permission');
    } else if (e.kind === 'bind-channel') this.port(e.relay).channels.set(e.channel, e.peer.address);
    else if (e.kind === 'unbind-channel') {
      if (!this.port(e.relay).channels.delete(e.channel)) throw new Error('no such channel');
    } else if (e.kind === 'connect-peer') this.openConnections.add(e.connection);
    else if (e.kind === 'close-connection') this.openConnections.delete(e.connection);
  }

  port(relay: RelayId): OpenPort {
    const port = this.ports.get(relay);
    if (!port || port === 'kept') throw new Error(`relay ${relay} is not open`);
    return port;
  }
}

/** Addresses, numbers and flags of a request, as functions that add them. */
export type Fill = (request: StunBuilder) => unknown;

/** A client that does exactly what a test says, with a valid credential. */
export class ScriptedClient {
  readonly bench: ServerBench;
  readonly tuple: FiveTuple;
  username: string;
  password: string;
  nonce = '';
  algorithm: 'md5' | 'sha256' = 'md5';

  constructor(bench: ServerBench, tuple: FiveTuple = clientTuple(), username = 'alice', password = 'wonder') {
    this.bench = bench;
    this.tuple = tuple;
    this.username = username;
    this.password = password;
  }

  get key(): Uint8Array {
    return longTermKey(this.username, REALM, this.password, hashes[this.algorithm]);
  }

  /** Takes a nonce from a 401. */
  learnNonce(): void {
    const request = new StunBuilder({
      class: 'request',
      method: stunMethod.allocate,
      transactionId: this.bench.transactionId(),
    });
    const answer = answerOf(this.bench.packet(this.tuple, request.finish()));
    this.nonce = new TextDecoder().decode(findAttribute(answer, attributeType.nonce));
  }

  build(method: number, fill: Fill, transactionId: Uint8Array = this.bench.transactionId()): Uint8Array {
    if (this.nonce === '') this.learnNonce();
    const request = new StunBuilder({ class: 'request', method, transactionId });
    fill(request);
    request
      .text(attributeType.username, this.username)
      .text(attributeType.realm, REALM)
      .text(attributeType.nonce, this.nonce);
    if (this.algorithm === 'md5') return request.integrity(this.key, hashes.hmacSha1).fingerprint().finish();
    return request
      .attribute(attributeType.passwordAlgorithms, encodePasswordAlgorithms(['sha256', 'md5']))
      .attribute(attributeType.passwordAlgorithm, encodePasswordAlgorithms(['sha256']))
      .integritySha256(this.key, hashes.hmacSha256)
      .finish();
  }

  request(method: number, fill: Fill = () => {}): TurnServerEffect[] {
    return this.bench.packet(this.tuple, this.build(method, fill));
  }

  /** Sends a request and returns 0 for success or the error code; checks the answer's integrity. */
  code(method: number, fill: Fill = () => {}): number {
    const answer = answerOf(this.request(method, fill));
    const code = codeOf(answer);
    if (code !== 401 && code !== 438) {
      const sealed =
        this.algorithm === 'md5'
          ? verifyIntegrity(answer, this.key, hashes.hmacSha1)
          : verifyIntegritySha256(answer, this.key, hashes.hmacSha256);
      if (!sealed) throw new Error(`answer ${code} is not sealed`);
    }
    return code;
  }

  allocate(fill: Fill = () => {}): number {
    return this.code(stunMethod.allocate, (r) => {
      udp(r);
      fill(r);
    });
  }

  indication(fill: Fill): TurnServerEffect[] {
    const transactionId = this.bench.transactionId();
    const indication = new StunBuilder({ class: 'indication', method: stunMethod.send, transactionId });
    fill(indication);
    return this.bench.packet(this.tuple, indication.finish());
  }
}

export function answerOf(effects: readonly TurnServerEffect[]): StunMessage {
  const sent = effects.filter((e) => e.kind === 'send');
  if (sent.length !== 1)
    throw new Error(`${sent.length} messages sent, not one: ${effects.map((e) => e.kind)}`);
  return parseStun(sent[0]!.bytes);
}

export function codeOf(message: StunMessage): number {
  if (message.class === 'success') return 0;
  return decodeErrorCode(findAttribute(message, attributeType.errorCode)!).code;
}

export const udp: Fill = (r) => r.attribute(attributeType.requestedTransport, Uint8Array.of(17, 0, 0, 0));
export const tcp: Fill = (r) => r.attribute(attributeType.requestedTransport, Uint8Array.of(6, 0, 0, 0));
export const lifetime =
  (seconds: number): Fill =>
  (r) =>
    r.uint32(attributeType.lifetime, seconds);
export const family =
  (number: number, type: number = attributeType.requestedAddressFamily): Fill =>
  (r) =>
    r.attribute(type, Uint8Array.of(number, 0, 0, 0));
export const peer =
  (address: string, port = 7000): Fill =>
  (r) =>
    r.xorAddress(attributeType.xorPeerAddress, { address, port });
export const channel =
  (number: number): Fill =>
  (r) =>
    r.attribute(attributeType.channelNumber, Uint8Array.of(number >> 8, number, 0, 0));
export const flag =
  (type: number, value: Uint8Array = new Uint8Array(0)): Fill =>
  (r) =>
    r.attribute(type, value);
export const all =
  (...fills: Fill[]): Fill =>
  (r) => {
    for (const fill of fills) fill(r);
  };

/** Everything a server holds: all zero when nothing is left. */
export function held(server: TurnServer): Record<string, number> {
  const s = server.stats();
  const { allocations, relays, reservations, permissions, channels, connections } = s;
  const { quotaPorts, quotaOwners, deadlines } = s;
  return {
    allocations,
    relays,
    reservations,
    permissions,
    channels,
    connections,
    quotaPorts,
    quotaOwners,
    deadlines,
  };
}

export const nothing: Record<string, number> = {
  allocations: 0,
  relays: 0,
  reservations: 0,
  permissions: 0,
  channels: 0,
  connections: 0,
  quotaPorts: 0,
  quotaOwners: 0,
  deadlines: 0,
};
