import { FormatError, type IpFamily, ipFamily, type NowMs } from '@conclave/bytes';
import {
  attributeType,
  decodeAddress,
  decodeErrorCode,
  decodeXorAddress,
  findAttribute,
  findAttributes,
  parseStun,
  StunBuilder,
  type StunMessage,
  stunMethod,
  type TransportAddress,
  uint32Attribute,
  unknownAttributesOf,
} from '@conclave/stun';
import { encodeChannelData, isChannelData, parseChannelData } from './channel-data.ts';
import { ClientCredential } from './client-credential.ts';
import { type ClientChannel, type ClientPeer, ClientPeers } from './client-peers.ts';
import { type ClientTransaction, ClientTransactions, INITIAL_RTO_MS } from './client-transactions.ts';
import { isStream } from './five-tuple.ts';
import { serverAttributes } from './server-attributes.ts';
import type { TurnClientEnd, TurnClientEvent, TurnClientOptions } from './turn-client-options.ts';

type Purpose =
  | { readonly kind: 'allocate' | 'refresh' | 'release' }
  | { readonly kind: 'permission'; readonly peers: readonly ClientPeer[] }
  | { readonly kind: 'channel'; readonly channel: ClientChannel };

const DEFAULT_LIFETIME_MS = 600_000;

/** How often a NAT on the way is reminded when nothing else is sent (RFC 8445 §11). */
const KEEPALIVE_MS = 15_000;

/** Peers refreshed with one request. Higher saves requests; all fall back to one by one when one is refused. */
const PEERS_PER_REQUEST = 8;

/** New nonces taken for one request. Without a bound a broken server would be asked for ever. */
const MAX_ATTEMPTS = 4;

const PROTOCOL_UDP = 17;

const knownAttributes = serverAttributes(true);

/**
 * A TURN client (RFC 8656) with one allocation for UDP, kept alive until {@link TurnClient.release}. No sockets,
 * timers or clock: after every call the owner sends all of {@link TurnClient.pollTransmit}, takes all of
 * {@link TurnClient.pollEvent} and arms one timer for {@link TurnClient.pollTimeout}.
 */
export class TurnClient {
  readonly #options: TurnClientOptions;
  readonly #stream: boolean;
  readonly #families: readonly IpFamily[];
  readonly #credential: ClientCredential;
  readonly #transactions: ClientTransactions<Purpose>;
  readonly #peers = new ClientPeers();
  readonly #out: { to: TransportAddress; bytes: Uint8Array }[] = [];
  readonly #events: TurnClientEvent[] = [];
  #server: TransportAddress;
  #state: 'idle' | 'allocating' | 'allocated' | 'releasing' | 'closed' = 'idle';
  #redirected = false;
  #relayed: readonly TransportAddress[] = [];
  #refreshMs = Number.POSITIVE_INFINITY;
  #expiresMs = Number.POSITIVE_INFINITY;
  #keepaliveMs = Number.POSITIVE_INFINITY;

  constructor(options: TurnClientOptions) {
    this.#options = options;
    this.#stream = isStream(options.transport);
    this.#families = options.families ?? [4];
    this.#server = options.server;
    this.#credential = new ClientCredential(options.username, options.password, options.hashes);
    const rtoMs = options.rtoMs ?? INITIAL_RTO_MS;
    this.#transactions = new ClientTransactions(options.random, this.#stream, rtoMs);
  }

  /** The server in use: another than at first after a redirection. Packets from elsewhere are not for us. */
  get server(): TransportAddress {
    return this.#server;
  }

  /** The relayed addresses, empty while there is no allocation. */
  get relayed(): readonly TransportAddress[] {
    return this.#relayed;
  }

  /** Asks for the allocation. Over a connection, call it when that stands. Once only. */
  allocate(now: NowMs): void {
    if (this.#state !== 'idle') return;
    this.#state = 'allocating';
    this.#allocate(now);
  }

  /** The connection that a `redirected` event asked for stands. */
  handleConnected(now: NowMs): void {
    if (this.#state === 'allocating' && this.#redirected) this.#allocate(now);
  }

  /** The connection to the server was lost, and the allocation with it. */
  handleTransportClosed(_now: NowMs): void {
    this.#close('lost', 0);
  }

  /**
   * Asks that packets may pass to and from this address, and keeps it so. Returns `false` when there is no
   * allocation of its family or there are too many peers.
   */
  permit(now: NowMs, address: string): boolean {
    if (this.#state !== 'allocated' || !this.#hasFamily(address)) return false;
    if (this.#peers.peer(address)) return true;
    if (this.#peers.size >= (this.#options.maxPeers ?? 128)) return false;
    this.#peers.addPeer(now, address);
    this.#upkeep(now);
    return true;
  }

  /**
   * Asks for a channel to this peer, which includes its permission, and keeps it. Returns `false` when there is
   * no allocation of its family, or too many peers or channels.
   */
  bindChannel(now: NowMs, peer: TransportAddress): boolean {
    if (this.#state !== 'allocated' || !this.#hasFamily(peer.address)) return false;
    if (this.#peers.channelOf(peer)) return true;
    if (!this.#peers.hasChannelNumber) return false;
    if (!this.permit(now, peer.address)) return false;
    this.#peers.addChannel(now, peer);
    this.#upkeep(now);
    return true;
  }

  /** Channel number bound to this peer, for a data plane that sends by itself; `undefined` while not bound. */
  channelTo(now: NowMs, peer: TransportAddress): number | undefined {
    const channel = this.#peers.channelOf(peer);
    return channel?.bound && channel.expiresMs > now ? channel.number : undefined;
  }

  /** Sends a datagram to a peer through the relay. Returns `false`, and drops it, without a permission. */
  send(now: NowMs, peer: TransportAddress, bytes: Uint8Array): boolean {
    if (this.#state !== 'allocated' || !this.#peers.isPermitted(now, peer.address)) return false;
    const channel = this.channelTo(now, peer);
    if (bytes.length > MAX_DATA) return false;
    if (channel !== undefined) this.#transmit(now, encodeChannelData(channel, bytes, this.#stream));
    else {
      const head = { class: 'indication', method: stunMethod.send } as const;
      const indication = new StunBuilder({ ...head, transactionId: this.#transactions.newId() })
        .xorAddress(attributeType.xorPeerAddress, peer)
        .attribute(attributeType.data, bytes);
      this.#transmit(now, indication.finish());
    }
    return true;
  }

  /** Gives the allocation back. The event `closed` follows with the server's answer, or without one. */
  release(now: NowMs): void {
    if (this.#state === 'closed' || this.#state === 'releasing') return;
    const held = this.#state === 'allocated';
    this.#transactions.clear();
    if (!held) {
      this.#close('released', 0);
      return;
    }
    this.#state = 'releasing';
    this.#refreshMs = this.#keepaliveMs = Number.POSITIVE_INFINITY;
    this.#request(now, stunMethod.refresh, { kind: 'release' }, (r) => r.uint32(attributeType.lifetime, 0));
  }

  /** One message from the server: a datagram, or what was cut out of the stream. Never throws on its content. */
  handlePacket(now: NowMs, bytes: Uint8Array): void {
    if (this.#state === 'closed') return;
    try {
      if (isChannelData(bytes)) this.#channelData(now, bytes);
      else this.#message(now, parseStun(bytes));
    } catch (error) {
      // Damaged or forged; the true answer may still come.
      if (!(error instanceof FormatError)) throw error;
    }
  }

  /** Sends again, refreshes and gives up what is due. */
  handleTimeout(now: NowMs): void {
    for (const { transaction, timedOut } of this.#transactions.due(now)) {
      if (this.#state === 'closed') return;
      if (timedOut) this.#failed(now, transaction, 0);
      else this.#transmit(now, transaction.bytes);
    }
    if (this.#state !== 'allocated') return;
    if (now >= this.#expiresMs) {
      this.#close('lost', 0);
      return;
    }
    if (now >= this.#refreshMs) this.#refresh(now);
    this.#upkeep(now);
    if (now >= this.#keepaliveMs) {
      const head = { class: 'indication', method: stunMethod.binding } as const;
      this.#transmit(now, new StunBuilder({ ...head, transactionId: this.#transactions.newId() }).finish());
    }
  }

  /** The next message for the server, or `undefined`. */
  pollTransmit(): { readonly to: TransportAddress; readonly bytes: Uint8Array } | undefined {
    return this.#out.shift();
  }

  /** The next event, or `undefined`. */
  pollEvent(): TurnClientEvent | undefined {
    return this.#events.shift();
  }

  /** When {@link TurnClient.handleTimeout} is due, or `undefined` when nothing is. */
  pollTimeout(): NowMs | undefined {
    const due = Math.min(
      this.#transactions.nextMs ?? Number.POSITIVE_INFINITY,
      this.#state === 'allocated'
        ? (this.#peers.nextMs ?? Number.POSITIVE_INFINITY)
        : Number.POSITIVE_INFINITY,
      this.#refreshMs,
      this.#expiresMs,
      this.#keepaliveMs,
    );
    return due === Number.POSITIVE_INFINITY ? undefined : due;
  }

  #allocate(now: NowMs): void {
    this.#request(now, stunMethod.allocate, { kind: 'allocate' }, (request) => {
      request.attribute(attributeType.requestedTransport, Uint8Array.of(PROTOCOL_UDP, 0, 0, 0));
      request.uint32(attributeType.lifetime, (this.#options.lifetimeMs ?? DEFAULT_LIFETIME_MS) / 1000);
      if (this.#families.length > 1) {
        request.attribute(attributeType.additionalAddressFamily, Uint8Array.of(2, 0, 0, 0));
      } else if (this.#families[0] === 6) {
        request.attribute(attributeType.requestedAddressFamily, Uint8Array.of(2, 0, 0, 0));
      }
    });
  }

  #refresh(now: NowMs): void {
    this.#refreshMs = Number.POSITIVE_INFINITY;
    const seconds = (this.#options.lifetimeMs ?? DEFAULT_LIFETIME_MS) / 1000;
    this.#request(now, stunMethod.refresh, { kind: 'refresh' }, (request) =>
      request.uint32(attributeType.lifetime, seconds),
    );
  }

  #upkeep(now: NowMs): void {
    const due = this.#peers.duePeers(now);
    const old = due.filter((peer) => peer.permitted);
    // New peers go alone: the refusal of one must not hit another.
    const groups = due.filter((peer) => !peer.permitted).map((peer) => [peer]);
    for (let i = 0; i < old.length; i += PEERS_PER_REQUEST) groups.push(old.slice(i, i + PEERS_PER_REQUEST));
    for (const group of groups) this.#permission(now, group);
    for (const channel of this.#peers.dueChannels(now)) {
      if (!this.#transactions.hasRoom) {
        channel.dueMs = now + (this.#options.rtoMs ?? INITIAL_RTO_MS);
        continue;
      }
      channel.busy = true;
      this.#request(now, stunMethod.channelBind, { kind: 'channel', channel }, (request) =>
        request
          .attribute(attributeType.channelNumber, Uint8Array.of(channel.number >> 8, channel.number, 0, 0))
          .xorAddress(attributeType.xorPeerAddress, channel.peer),
      );
    }
  }

  #permission(now: NowMs, peers: readonly ClientPeer[]): void {
    if (!this.#transactions.hasRoom) {
      for (const peer of peers) peer.dueMs = now + (this.#options.rtoMs ?? INITIAL_RTO_MS);
      return;
    }
    for (const peer of peers) peer.busy = true;
    this.#request(now, stunMethod.createPermission, { kind: 'permission', peers }, (request) => {
      for (const { address } of peers) {
        request.xorAddress(attributeType.xorPeerAddress, { address, port: 0 });
      }
    });
  }

  #request(
    now: NowMs,
    method: number,
    purpose: Purpose,
    fill: (request: StunBuilder) => void,
    attempts = 0,
  ): void {
    const id = this.#transactions.newId();
    const request = new StunBuilder({ class: 'request', method, transactionId: id });
    fill(request);
    this.#credential.seal(request);
    const bytes = request.fingerprint().finish();
    const sealedWith = this.#credential.key;
    this.#transactions.add(now, { id, method, purpose, fill, sealedWith, attempts, bytes });
    this.#transmit(now, bytes);
  }

  #message(now: NowMs, message: StunMessage): void {
    if (unknownAttributesOf(message, knownAttributes).length > 0) return;
    if (message.class === 'indication') {
      if (message.method === stunMethod.data) this.#dataIndication(now, message);
      return;
    }
    if (message.class === 'request') return;
    const transaction = this.#transactions.find(message.transactionId);
    if (!transaction || transaction.method !== message.method) return;
    const { sealedWith } = transaction;
    const authentic = sealedWith === undefined || this.#credential.isAuthentic(message, sealedWith);
    if (message.class === 'success') {
      if (authentic) this.#succeeded(now, transaction, message);
      return;
    }
    const error = findAttribute(message, attributeType.errorCode);
    if (!error) return;
    const { code } = decodeErrorCode(error);
    // These a server gives before it knows the client, so they cannot be sealed (RFC 8489 §9.2.5).
    if (!authentic && code !== 400 && code !== 401 && code !== 438) return;
    if (code === 401 || code === 438) {
      const mayRetry = code === 438 ? transaction.attempts < MAX_ATTEMPTS : sealedWith === undefined;
      if (mayRetry && this.#credential.accept(message)) {
        this.#transactions.remove(transaction);
        const { method, purpose, fill, attempts } = transaction;
        this.#request(now, method, purpose, fill, attempts + 1);
        return;
      }
    }
    const alternate = code === 300 ? findAttribute(message, attributeType.alternateServer) : undefined;
    const server = alternate && decodeAddress(alternate);
    this.#transactions.remove(transaction);
    if (server && transaction.purpose.kind === 'allocate' && !this.#redirected) this.#redirect(now, server);
    else this.#failed(now, transaction, code);
  }

  #redirect(now: NowMs, server: TransportAddress): void {
    this.#redirected = true;
    this.#server = server;
    this.#credential.reset();
    this.#events.push({ kind: 'redirected', server });
    // DTLS, too, is a connection that must be made first.
    if (this.#options.transport === 'udp') this.#allocate(now);
  }

  #succeeded(now: NowMs, transaction: ClientTransaction<Purpose>, message: StunMessage): void {
    const { purpose } = transaction;
    if (purpose.kind === 'allocate') {
      this.#allocated(now, message);
      this.#transactions.remove(transaction);
      return;
    }
    this.#transactions.remove(transaction);
    if (purpose.kind === 'refresh') this.#holdFor(now, message);
    else if (purpose.kind === 'release') this.#close('released', 0);
    else if (purpose.kind === 'permission') {
      for (const peer of purpose.peers) this.#permitted(now, peer);
    } else if (purpose.kind === 'channel') {
      const { channel } = purpose;
      const isNew = !channel.bound;
      this.#peers.bound(now, channel);
      const peer = this.#peers.peer(channel.peer.address);
      if (peer && !peer.busy) this.#permitted(now, peer);
      if (isNew) this.#events.push({ kind: 'channel-bound', peer: channel.peer, channel: channel.number });
    }
  }

  #allocated(now: NowMs, message: StunMessage): void {
    const relayed = findAttributes(message, attributeType.xorRelayedAddress).map((value) =>
      decodeXorAddress(value, message.transactionId),
    );
    const value = findAttribute(message, attributeType.xorMappedAddress);
    const mapped = value && decodeXorAddress(value, message.transactionId);
    if (relayed.length === 0)
      throw new FormatError('no-relayed-address', 'success without a relayed address');
    this.#holdFor(now, message);
    this.#state = 'allocated';
    if (!this.#stream) this.#keepaliveMs = now + KEEPALIVE_MS;
    this.#relayed = relayed;
    this.#events.push({ kind: 'allocated', relayed, mapped });
  }

  #holdFor(now: NowMs, message: StunMessage): void {
    const seconds = uint32Attribute(message, attributeType.lifetime) ?? DEFAULT_LIFETIME_MS / 1000;
    this.#refreshMs = now + seconds * 750;
    this.#expiresMs = now + seconds * 1000;
  }

  #permitted(now: NowMs, peer: ClientPeer): void {
    const isNew = !peer.permitted;
    this.#peers.permitted(now, peer);
    if (isNew) this.#events.push({ kind: 'permitted', peer: peer.address });
  }

  /** @param code the error code answered, or 0 when there was no answer */
  #failed(now: NowMs, transaction: ClientTransaction<Purpose>, code: number): void {
    const { purpose } = transaction;
    // 437 in answer to anything but Allocate says that the server has lost the allocation.
    if (purpose.kind === 'release') this.#close('released', code);
    else if (purpose.kind === 'allocate') this.#close(code === 0 ? 'timeout' : 'refused', code);
    else if (code === 437) this.#close('lost', code);
    else if (purpose.kind === 'refresh') {
      if (code === 0 && now < this.#expiresMs) this.#refresh(now);
      else this.#close('lost', code);
    } else if (purpose.kind === 'permission' && purpose.peers.length > 1) {
      for (const peer of purpose.peers) this.#permission(now, [peer]);
    } else if (purpose.kind === 'permission') {
      const peer = purpose.peers[0]!;
      if (code === 0 && peer.permitted && now < peer.expiresMs) {
        this.#permission(now, [peer]);
        return;
      }
      this.#peers.removePeer(peer.address);
      this.#events.push({ kind: 'refused', peer: peer.address, code });
    } else if (purpose.kind === 'channel') {
      const { channel } = purpose;
      if (code === 0 && channel.bound && now < channel.expiresMs) {
        channel.busy = false;
        channel.dueMs = now;
        this.#upkeep(now);
        return;
      }
      // Without a channel the peer is still reached by indications.
      this.#peers.removeChannel(channel);
    }
  }

  #channelData(now: NowMs, bytes: Uint8Array): void {
    const { channel, data } = parseChannelData(bytes);
    const found = this.#peers.channel(channel);
    // Also before the answer to ChannelBind, which data may overtake.
    if (!found || (found.bound && found.expiresMs <= now)) return;
    this.#events.push({ kind: 'data', peer: found.peer, bytes: data });
  }

  #dataIndication(now: NowMs, message: StunMessage): void {
    const value = findAttribute(message, attributeType.xorPeerAddress);
    const data = findAttribute(message, attributeType.data);
    if (!value || !data) return;
    const peer = decodeXorAddress(value, message.transactionId);
    const known = this.#peers.peer(peer.address);
    if (!known || (known.permitted && known.expiresMs <= now)) return;
    this.#events.push({ kind: 'data', peer, bytes: data });
  }

  #hasFamily(address: string): boolean {
    return this.#relayed.some((relayed) => ipFamily(relayed.address) === ipFamily(address));
  }

  #transmit(now: NowMs, bytes: Uint8Array): void {
    this.#out.push({ to: this.#server, bytes });
    if (this.#state === 'allocated' && !this.#stream) this.#keepaliveMs = now + KEEPALIVE_MS;
  }

  #close(reason: TurnClientEnd, code: number): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#transactions.clear();
    this.#relayed = [];
    this.#refreshMs = this.#expiresMs = this.#keepaliveMs = Number.POSITIVE_INFINITY;
    this.#events.push({ kind: 'closed', reason, code });
  }
}

/** Most bytes that fit a Send indication with an IPv6 peer address. */
const MAX_DATA = 0xffff - 24 - 4 - 3;
