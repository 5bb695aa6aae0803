import { Secret } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';
import {
  type FiveTuple,
  isStream,
  TurnClient,
  type TurnClientEvent,
  type TurnClientOptions,
  type TurnServerEffect,
  TurnStreamFramer,
} from '../src/index.ts';
import { hashes, seededNumbers, seededRandom } from './node-hashes.ts';
import { clientTuple, type ServerBench } from './server-bench.ts';

interface Flight {
  readonly atMs: number;
  readonly deliver: () => void;
}

/** A client and a server bench on one clock, over a link that delays, loses and doubles datagrams by a seed. */
export class ClientLink {
  readonly bench: ServerBench;
  readonly client: TurnClient;
  readonly tuple: FiveTuple;
  readonly events: TurnClientEvent[] = [];
  readonly toPeers: (TurnServerEffect & { kind: 'relay-data' })[] = [];
  lossRate = 0;
  blocked = false;
  sent = 0;
  readonly #chance: () => number;
  readonly #flights: Flight[] = [];
  readonly #up = new TurnStreamFramer();
  readonly #down = new TurnStreamFramer();

  constructor(bench: ServerBench, options: Partial<TurnClientOptions> = {}, seed = 1) {
    this.bench = bench;
    this.#chance = seededNumbers(seed);
    const transport = options.transport ?? 'udp';
    this.tuple = clientTuple(6000 + seed, transport);
    this.client = new TurnClient({
      transport,
      server: this.tuple.local,
      username: 'alice',
      password: new Secret('wonder'),
      hashes,
      random: seededRandom(seed),
      ...options,
    });
  }

  event<K extends TurnClientEvent['kind']>(kind: K): Extract<TurnClientEvent, { kind: K }> | undefined {
    return this.events.find((e): e is Extract<TurnClientEvent, { kind: K }> => e.kind === kind);
  }

  /** Lets what is to be sent fly, and time pass until `ms` later. */
  run(ms: number): void {
    const end = this.bench.now + ms;
    for (let steps = 0; ; steps++) {
      if (steps > 200_000) throw new Error('the link does not come to rest');
      this.#collect();
      const next = Math.min(
        this.#flights.reduce((first, f) => Math.min(first, f.atMs), Number.POSITIVE_INFINITY),
        this.client.pollTimeout() ?? Number.POSITIVE_INFINITY,
        this.bench.server.pollTimeout() ?? Number.POSITIVE_INFINITY,
      );
      if (next > end) break;
      this.bench.now = Math.max(this.bench.now, next);
      for (const flight of [...this.#flights].sort((a, b) => a.atMs - b.atMs)) {
        if (flight.atMs > this.bench.now) continue;
        this.#flights.splice(this.#flights.indexOf(flight), 1);
        flight.deliver();
        this.#collect();
      }
      this.client.handleTimeout(this.bench.now);
      this.bench.server.handleTimeout(this.bench.now);
    }
    this.bench.now = end;
  }

  fromPeer(from: TransportAddress, bytes: Uint8Array): void {
    for (const relay of this.bench.ports.keys())
      this.bench.server.handleRelayed(this.bench.now, relay, from, bytes);
    this.#collect();
  }

  #collect(): void {
    for (let t = this.client.pollTransmit(); t; t = this.client.pollTransmit()) {
      const { bytes } = t;
      this.sent++;
      this.#fly(() => this.#toServer(bytes));
    }
    for (const effect of this.bench.drain()) {
      if (effect.kind === 'send') this.#fly(() => this.#toClient(effect.bytes));
      else if (effect.kind === 'relay-data') this.toPeers.push(effect);
    }
    for (let e = this.client.pollEvent(); e; e = this.client.pollEvent()) this.events.push(e);
  }

  #fly(deliver: () => void): void {
    if (this.blocked) return;
    const stream = isStream(this.tuple.transport);
    if (!stream && this.#chance() < this.lossRate) return;
    const copies = !stream && this.#chance() < this.lossRate / 4 ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const delayMs = stream ? 20 : 10 + Math.floor(this.#chance() * 40);
      this.#flights.push({ atMs: this.bench.now + delayMs, deliver });
    }
  }

  #toServer(bytes: Uint8Array): void {
    const { server, now } = this.bench;
    for (const m of this.#cut(this.#up, bytes)) server.handlePacket(now, this.tuple, m);
  }

  #toClient(bytes: Uint8Array): void {
    for (const m of this.#cut(this.#down, bytes)) this.client.handlePacket(this.bench.now, m);
  }

  #cut(framer: TurnStreamFramer, bytes: Uint8Array): Uint8Array[] {
    if (!isStream(this.tuple.transport)) return [bytes];
    const messages: Uint8Array[] = [];
    // In two parts, so that the framers have something to put together.
    for (const part of [bytes.subarray(0, 3), bytes.subarray(3)]) {
      framer.push(part);
      for (let m = framer.next(); m; m = framer.next()) messages.push(m);
    }
    return messages;
  }
}
