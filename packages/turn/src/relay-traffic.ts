import { FormatError, ipFamily, type NowMs, type RandomBytes } from '@conclave/bytes';
import {
  attributeType,
  decodeXorAddress,
  findAttribute,
  hasAttribute,
  StunBuilder,
  type StunMessage,
  stunMethod,
  type TransportAddress,
  unknownAttributesOf,
} from '@conclave/stun';
import { encodeChannelData, parseChannelData } from './channel-data.ts';
import { addressKey, type FiveTuple, isStream } from './five-tuple.ts';
import type { RelayId } from './server-effect.ts';
import type { ServerState } from './server-state.ts';
import { hasPermission, relayOf } from './turn-allocation.ts';

/**
 * Relays what the data plane does not: indications, and packets that come before a rule is in force. Whatever
 * may not pass is dropped with a {@link FormatError} whose code names the reason.
 */
export class RelayTraffic {
  readonly #state: ServerState;
  readonly #random: RandomBytes;
  readonly #knownAttributes: ReadonlySet<number>;
  readonly #dontFragment: boolean;

  constructor(state: ServerState, random: RandomBytes, known: ReadonlySet<number>, dontFragment: boolean) {
    this.#state = state;
    this.#random = random;
    this.#knownAttributes = known;
    this.#dontFragment = dontFragment;
  }

  /** A Send indication (RFC 8656 §11.2). */
  sendIndication(now: NowMs, tuple: FiveTuple, message: StunMessage): void {
    // With DONT-FRAGMENT that cannot be honoured, too, it is dropped: it counts as unknown then.
    if (unknownAttributesOf(message, this.#knownAttributes).length > 0) throw drop('unknown-attribute');
    const value = findAttribute(message, attributeType.xorPeerAddress);
    const data = findAttribute(message, attributeType.data);
    if (!value || !data) throw drop('incomplete-indication');
    const peer = decodeXorAddress(value, message.transactionId);
    const dontFragment = this.#dontFragment && hasAttribute(message, attributeType.dontFragment);
    this.#toPeer(now, tuple, peer, data, dontFragment);
  }

  /** ChannelData from a client (RFC 8656 §12.6). */
  channelData(now: NowMs, tuple: FiveTuple, bytes: Uint8Array): void {
    const { channel, data } = parseChannelData(bytes);
    const bound = this.#state.allocationOf(tuple)?.channels.get(channel);
    if (!bound || bound.expiresMs <= now) throw drop('unbound-channel');
    this.#toPeer(now, tuple, bound.peer, data, false);
  }

  /** A packet from a peer to a relay (RFC 8656 §11.3, §12.7). */
  fromPeer(now: NowMs, relay: RelayId, peer: TransportAddress, data: Uint8Array): void {
    const found = this.#state.relays.get(relay);
    if (found?.address === undefined || found.transport !== 'udp') throw drop('no-relay');
    const { allocation } = found;
    if (ipFamily(peer.address) !== found.family || !hasPermission(allocation, now, peer.address)) {
      throw drop('no-permission');
    }
    const { tuple } = allocation;
    const channel = allocation.channelOfPeer.get(addressKey(peer));
    if (channel && channel.expiresMs > now) {
      this.#state.send(tuple, encodeChannelData(channel.number, data, isStream(tuple.transport)));
      return;
    }
    // An indication's length field has to hold the attributes around the data too.
    if (data.length > MAX_INDICATION_DATA) throw drop('too-long');
    const indication = this.#indication(peer).attribute(attributeType.data, data);
    this.#state.send(tuple, indication.finish());
  }

  /** An ICMP error about a packet to this peer (RFC 8656 §11.5); `error` is the four bytes behind the code. */
  icmp(
    now: NowMs,
    relay: RelayId,
    peer: TransportAddress,
    icmp: { readonly type: number; readonly code: number; readonly error: number },
  ): void {
    const found = this.#state.relays.get(relay);
    if (!found || ipFamily(peer.address) !== found.family) throw drop('no-relay');
    if (!hasPermission(found.allocation, now, peer.address)) throw drop('no-permission');
    const value = new Uint8Array(8);
    value[2] = icmp.type;
    value[3] = icmp.code;
    new DataView(value.buffer).setUint32(4, icmp.error);
    const indication = this.#indication(peer).attribute(attributeType.icmp, value);
    this.#state.send(found.allocation.tuple, indication.finish());
  }

  #indication(peer: TransportAddress): StunBuilder {
    const transactionId = this.#random(12);
    const indication = new StunBuilder({ class: 'indication', method: stunMethod.data, transactionId });
    return indication.xorAddress(attributeType.xorPeerAddress, peer);
  }

  #toPeer(
    now: NowMs,
    tuple: FiveTuple,
    peer: TransportAddress,
    data: Uint8Array,
    dontFragment: boolean,
  ): void {
    const allocation = this.#state.allocationOf(tuple);
    if (!allocation || allocation.pending) throw drop('no-allocation');
    const relay = relayOf(allocation, ipFamily(peer.address));
    if (relay?.transport !== 'udp') throw drop('no-relay');
    if (!hasPermission(allocation, now, peer.address)) throw drop('no-permission');
    this.#state.effects.push({ kind: 'relay-data', relay: relay.id, peer, data, dontFragment });
  }
}

/** Most data that fits an indication with an IPv6 peer address. */
const MAX_INDICATION_DATA = 0xffff - 24 - 4 - 3;

function drop(code: string): FormatError {
  return new FormatError(code, 'a packet that may not be relayed');
}
