import { FormatError, ipFamily, type NowMs } from '@conclave/bytes';
import type {
  RelayClient,
  RelayEndpoint,
  RelayEvent,
  RelayHarness,
  RelayHarnessOutput,
  RelayId,
  RelayRequest,
  RelaySent,
  RelayTotals,
} from '@conclave/forwarder';
import {
  attributeType,
  decodeXorAddress,
  findAttribute,
  hasAttribute,
  isStun,
  parseStun,
  StunBuilder,
  type StunMessage,
  stunClassOf,
  stunMethod,
  stunMethodOf,
} from '@conclave/stun';

const LARGEST_DATAGRAM = 2048;
const LEAST_BURST_BYTES = 16_384;

/** Attributes a TURN server understands, which a Send indication may carry (RFC 8489, RFC 8656, RFC 6062). */
const knownAttributes = new Set<number>([
  ...[attributeType.mappedAddress, attributeType.username, attributeType.errorCode],
  ...[attributeType.unknownAttributes, attributeType.channelNumber, attributeType.lifetime],
  ...[attributeType.xorPeerAddress, attributeType.data, attributeType.realm, attributeType.nonce],
  ...[attributeType.xorRelayedAddress, attributeType.requestedAddressFamily, attributeType.evenPort],
  ...[attributeType.requestedTransport, attributeType.dontFragment, attributeType.passwordAlgorithm],
  ...[attributeType.userhash, attributeType.xorMappedAddress, attributeType.reservationToken],
  attributeType.connectionId,
]);

interface ModelRelay {
  readonly id: RelayId;
  readonly request: RelayRequest;
  readonly permissions: Set<string>;
  /** Channel numbers by peer, as text. */
  readonly channels: Map<string, number>;
  readonly fromClient: ModelBucket;
  readonly toClient: ModelBucket;
  readonly totals: Record<Exclude<keyof RelayTotals, 'relay'>, number>;
}

/** Half a second's worth at once, at least 16 KiB. */
class ModelBucket {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #lastUs: number | undefined;

  constructor(bytesPerSecond: number) {
    this.#rate = bytesPerSecond;
    this.#burst = Math.max(LEAST_BURST_BYTES, bytesPerSecond / 2);
    this.#tokens = this.#burst;
  }

  take(bytes: number, nowUs: number): boolean {
    if (this.#rate === 0) return true;
    const elapsedUs = nowUs - (this.#lastUs ?? nowUs);
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedUs * this.#rate) / 1e6);
    this.#lastUs = nowUs;
    if (bytes > this.#tokens) return false;
    this.#tokens -= bytes;
    return true;
  }
}

const peerKey = (peer: RelayEndpoint): string => `${peer.address} ${peer.port}`;
const clientKey = (client: RelayClient): string => `${client.socket} ${peerKey(client.remote)}`;
const isStream = (client: RelayClient): boolean => client.transport === 'tcp' || client.transport === 'tls';

/**
 * The relay table in plain TypeScript: what the relay plane must do with each message and datagram, written to be read
 * and compared with, not to be fast. It knows nothing of shared ports, TCP relays and the limit of messages.
 */
export class RelayTableModel implements RelayHarness {
  readonly #relays = new Map<RelayId, ModelRelay>();
  readonly #counters = new Map<string, number>();
  readonly #seed: number;
  #indications = 0n;
  #sent: RelaySent[] = [];
  #events: RelayEvent[] = [];

  /** @param seed the first 32 bits of the transaction ids of Data indications */
  constructor(seed = 0) {
    this.#seed = seed;
  }

  openRelay(id: RelayId, request: RelayRequest): void {
    if (this.#relays.has(id)) return;
    if (this.#relayOf(request.client, request.family) || request.transport === 'tcp') {
      this.#events.push({ type: 'relay-failed', relay: id, reason: 'no-client' });
      return;
    }
    const totals = {
      ...{ fromClientPackets: 0, fromClientBytes: 0, toClientPackets: 0, toClientBytes: 0 },
      ...{ fromPeerPackets: 0, fromPeerBytes: 0, toPeerPackets: 0, toPeerBytes: 0, cappedPackets: 0 },
    };
    this.#relays.set(id, {
      ...{ id, request, totals, permissions: new Set(), channels: new Map() },
      fromClient: new ModelBucket(request.maxBytesPerSecond),
      toClient: new ModelBucket(request.maxBytesPerSecond),
    });
    const address = { address: request.family === 6 ? '2001:db8::1' : '192.0.2.1', port: id % 65_536 };
    this.#events.push({ type: 'relay-opened', relay: id, address });
  }

  closeRelay(id: RelayId): void {
    const relay = this.#relays.get(id);
    if (!relay) return;
    this.#relays.delete(id);
    this.#events.push({ type: 'relay-closed', totals: { relay: id, ...relay.totals } });
  }

  addPermission(id: RelayId, peer: string): void {
    this.#relays.get(id)?.permissions.add(peer);
  }

  removePermission(id: RelayId, peer: string): void {
    this.#relays.get(id)?.permissions.delete(peer);
  }

  bindChannel(id: RelayId, channel: number, peer: RelayEndpoint): void {
    const relay = this.#relays.get(id);
    if (!relay) return;
    for (const other of this.#relays.values()) {
      if (clientKey(other.request.client) === clientKey(relay.request.client))
        this.unbindChannel(other.id, channel);
    }
    relay.channels.set(peerKey(peer), channel);
  }

  unbindChannel(id: RelayId, channel: number): void {
    const channels = this.#relays.get(id)?.channels ?? new Map<string, number>();
    for (const [peer, number] of channels) if (number === channel) channels.delete(peer);
  }

  sendToPeer(id: RelayId, peer: RelayEndpoint, bytes: Uint8Array, dontFragment: boolean): void {
    const relay = this.#relays.get(id);
    if (relay) this.#transmit(relay, peer, bytes, dontFragment);
  }

  receiveFromClient(now: NowMs, client: RelayClient, bytes: Uint8Array): RelayHarnessOutput {
    return this.#step(bytes, () => {
      const nowUs = Math.round(1000 * now);
      if (bytes.length > 0 && (bytes[0]! & 0xc0) === 0x40) this.#channelData(nowUs, client, bytes);
      else if (!isStun(bytes)) throw new FormatError('malformed', '');
      else if (stunClassOf(bytes) === 'indication' && stunMethodOf(bytes) === stunMethod.send) {
        this.#sendIndication(nowUs, client, bytes);
      } else this.#events.push({ type: 'message', client, bytes: bytes.slice() });
    });
  }

  receiveFromPeer(now: NowMs, id: RelayId, peer: RelayEndpoint, bytes: Uint8Array): RelayHarnessOutput {
    const relay = this.#relays.get(id);
    if (!relay) return this.#output();
    return this.#step(bytes, () => {
      if (!relay.permissions.has(peer.address)) throw new FormatError('no_permission', '');
      relay.totals.fromPeerPackets++;
      relay.totals.fromPeerBytes += bytes.length;
      const { client } = relay.request;
      const channel = relay.channels.get(peerKey(peer));
      const out =
        channel === undefined ? this.#indication(peer, bytes) : framed(channel, bytes, isStream(client));
      if (!relay.toClient.take(out.length, Math.round(1000 * now))) {
        relay.totals.cappedPackets++;
        throw new FormatError('bandwidth', '');
      }
      if (channel === undefined) this.#indications++;
      this.#count('sent', out.length);
      relay.totals.toClientPackets++;
      relay.totals.toClientBytes += out.length;
      this.#sent.push({ to: 'client', client, bytes: out });
    });
  }

  readTotals(): RelayTotals[] {
    return [...this.#relays.values()].map(({ id, totals }) => ({ relay: id, ...totals }));
  }

  readCounters(): Record<string, number> {
    const relays = [...this.#relays.values()];
    return {
      ...Object.fromEntries(this.#counters),
      relays: relays.length,
      permissions: relays.reduce((n, relay) => n + relay.permissions.size, 0),
      channels: relays.reduce((n, relay) => n + relay.channels.size, 0),
    };
  }

  #step(bytes: Uint8Array, handle: () => void): RelayHarnessOutput {
    try {
      if (bytes.length > LARGEST_DATAGRAM) throw new FormatError('oversize', '');
      this.#count('received', bytes.length);
      handle();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#add(`dropped_${error.code}`, 1);
    }
    return this.#output();
  }

  #output(): RelayHarnessOutput {
    const output = { sent: this.#sent, events: this.#events };
    this.#sent = [];
    this.#events = [];
    return output;
  }

  #relayOf(client: RelayClient, family: number): ModelRelay | undefined {
    return [...this.#relays.values()].find(
      ({ request }) => request.family === family && clientKey(request.client) === clientKey(client),
    );
  }

  #channelData(nowUs: number, client: RelayClient, bytes: Uint8Array): void {
    const length = (bytes[2]! << 8) | bytes[3]!;
    if (bytes.length < 4 || bytes.length < 4 + length || bytes.length > 4 + ((length + 3) & ~3)) {
      throw new FormatError('malformed', '');
    }
    const relays = [this.#relayOf(client, 4), this.#relayOf(client, 6)];
    if (!relays[0] && !relays[1]) throw new FormatError('no_relay', '');
    const number = (bytes[0]! << 8) | bytes[1]!;
    for (const relay of relays) {
      for (const [key, channel] of relay?.channels ?? []) {
        if (channel !== number) continue;
        const [address, port] = key.split(' ');
        const peer = { address: address!, port: Number(port) };
        this.#toPeer(nowUs, relay!, peer, bytes.subarray(4, 4 + length), bytes.length, false);
        return;
      }
    }
    throw new FormatError('no_channel', '');
  }

  #sendIndication(nowUs: number, client: RelayClient, bytes: Uint8Array): void {
    if (!this.#relayOf(client, 4) && !this.#relayOf(client, 6)) throw new FormatError('no_relay', '');
    const { message, peer, data } = wellFormed(bytes);
    if (message.attributes.some(({ type }) => type < 0x8000 && !knownAttributes.has(type))) {
      throw new FormatError('unknown_attribute', '');
    }
    if (!peer || !data) throw new FormatError('malformed', '');
    const relay = this.#relayOf(client, ipFamily(peer.address));
    if (!relay) throw new FormatError('no_relay', '');
    this.#toPeer(nowUs, relay, peer, data, bytes.length, hasAttribute(message, attributeType.dontFragment));
  }

  #toPeer(
    nowUs: number,
    relay: ModelRelay,
    peer: RelayEndpoint,
    data: Uint8Array,
    wireBytes: number,
    dontFragment: boolean,
  ): void {
    relay.totals.fromClientPackets++;
    relay.totals.fromClientBytes += wireBytes;
    if (!relay.permissions.has(peer.address)) throw new FormatError('no_permission', '');
    if (!relay.fromClient.take(wireBytes, nowUs)) {
      relay.totals.cappedPackets++;
      throw new FormatError('bandwidth', '');
    }
    this.#transmit(relay, peer, data, dontFragment);
  }

  #transmit(relay: ModelRelay, peer: RelayEndpoint, data: Uint8Array, dontFragment: boolean): void {
    this.#count('sent', data.length);
    relay.totals.toPeerPackets++;
    relay.totals.toPeerBytes += data.length;
    this.#sent.push({ to: 'peer', relay: relay.id, peer, bytes: data.slice(), dontFragment });
  }

  #indication(peer: RelayEndpoint, data: Uint8Array): Uint8Array {
    const transactionId = new Uint8Array(12);
    const view = new DataView(transactionId.buffer);
    view.setUint32(0, this.#seed);
    view.setBigUint64(4, this.#indications + 1n);
    return new StunBuilder({ class: 'indication', method: stunMethod.data, transactionId })
      .xorAddress(attributeType.xorPeerAddress, peer)
      .attribute(attributeType.data, data)
      .finish();
  }

  #count(direction: 'received' | 'sent', bytes: number): void {
    this.#add(`${direction}_packets`, 1);
    this.#add(`${direction}_bytes`, bytes);
  }

  #add(counter: string, by: number): void {
    this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + by);
  }
}

function wellFormed(bytes: Uint8Array): {
  message: StunMessage;
  peer: RelayEndpoint | undefined;
  data: Uint8Array | undefined;
} {
  try {
    const message = parseStun(bytes);
    const value = findAttribute(message, attributeType.xorPeerAddress);
    const peer = value && decodeXorAddress(value, message.transactionId);
    return { message, peer, data: findAttribute(message, attributeType.data) };
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError('malformed', error.message);
    throw error;
  }
}

function framed(channel: number, data: Uint8Array, padded: boolean): Uint8Array {
  const size = 4 + data.length;
  const out = new Uint8Array(padded ? (size + 3) & ~3 : size);
  out.set([channel >> 8, channel & 0xff, data.length >> 8, data.length & 0xff]);
  out.set(data, 4);
  return out;
}
