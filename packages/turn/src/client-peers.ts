import type { NowMs } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';
import { MAX_CHANNEL, MIN_CHANNEL } from './channel-data.ts';
import { addressKey } from './five-tuple.ts';
import { CHANNEL_LIFETIME_MS, PERMISSION_LIFETIME_MS } from './turn-server-options.ts';

/** A peer address that the client keeps permitted. */
export interface ClientPeer {
  readonly address: string;
  permitted: boolean;
  /** Whether a request about it is under way. */
  busy: boolean;
  /** When to ask again, by now or later. */
  dueMs: NowMs;
  /** When the server forgets it. */
  expiresMs: NowMs;
}

/** A channel that the client keeps bound. */
export interface ClientChannel {
  readonly number: number;
  readonly peer: TransportAddress;
  bound: boolean;
  busy: boolean;
  dueMs: NowMs;
  expiresMs: NowMs;
}

/** Refreshed at three quarters of the permission's life, which is the shorter of the two. */
const UPKEEP_MS = PERMISSION_LIFETIME_MS * 0.75;

/** Peers and channels of one client, with the times of their upkeep. */
export class ClientPeers {
  readonly #peers = new Map<string, ClientPeer>();
  readonly #channels = new Map<string, ClientChannel>();
  readonly #byNumber = new Map<number, ClientChannel>();
  #nextChannel = MIN_CHANNEL;

  get size(): number {
    return this.#peers.size;
  }

  get nextMs(): NowMs | undefined {
    let next: NowMs | undefined;
    for (const { busy, dueMs } of this.#peers.values()) if (!busy) next = Math.min(next ?? dueMs, dueMs);
    for (const { busy, dueMs } of this.#channels.values()) if (!busy) next = Math.min(next ?? dueMs, dueMs);
    return next;
  }

  peer(address: string): ClientPeer | undefined {
    return this.#peers.get(address);
  }

  channelOf(peer: TransportAddress): ClientChannel | undefined {
    return this.#channels.get(addressKey(peer));
  }

  channel(number: number): ClientChannel | undefined {
    return this.#byNumber.get(number);
  }

  isPermitted(now: NowMs, address: string): boolean {
    const peer = this.#peers.get(address);
    return peer?.permitted === true && peer.expiresMs > now;
  }

  addPeer(now: NowMs, address: string): ClientPeer {
    const peer: ClientPeer = { address, permitted: false, busy: false, dueMs: now, expiresMs: now };
    this.#peers.set(address, peer);
    return peer;
  }

  addChannel(now: NowMs, peer: TransportAddress): ClientChannel {
    const number = this.#nextChannel++;
    const channel: ClientChannel = { number, peer, bound: false, busy: false, dueMs: now, expiresMs: now };
    this.#channels.set(addressKey(peer), channel);
    this.#byNumber.set(number, channel);
    return channel;
  }

  /** Whether a channel number is left; numbers are not used twice. */
  get hasChannelNumber(): boolean {
    return this.#nextChannel <= MAX_CHANNEL;
  }

  removePeer(address: string): void {
    this.#peers.delete(address);
    for (const channel of [...this.#channels.values()]) {
      if (channel.peer.address === address) this.removeChannel(channel);
    }
  }

  removeChannel(channel: ClientChannel): void {
    this.#channels.delete(addressKey(channel.peer));
    this.#byNumber.delete(channel.number);
  }

  /** Notes that the server has the permission from now on. */
  permitted(now: NowMs, peer: ClientPeer): void {
    peer.busy = false;
    peer.permitted = true;
    peer.dueMs = now + UPKEEP_MS;
    peer.expiresMs = now + PERMISSION_LIFETIME_MS;
  }

  /** Notes that the server has the binding, and with it the permission, from now on. */
  bound(now: NowMs, channel: ClientChannel): void {
    channel.busy = false;
    channel.bound = true;
    channel.dueMs = now + UPKEEP_MS;
    channel.expiresMs = now + CHANNEL_LIFETIME_MS;
  }

  duePeers(now: NowMs): ClientPeer[] {
    return [...this.#peers.values()].filter((peer) => !peer.busy && peer.dueMs <= now);
  }

  dueChannels(now: NowMs): ClientChannel[] {
    return [...this.#channels.values()].filter((channel) => !channel.busy && channel.dueMs <= now);
  }
}
