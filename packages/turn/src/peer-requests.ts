import { ipFamily, type NowMs } from '@conclave/bytes';
import {
  attributeType,
  decodeXorAddress,
  findAttribute,
  findAttributes,
  type StunMessage,
  type TransportAddress,
} from '@conclave/stun';
import type { AuthenticatedUser } from './authentication.ts';
import { MIN_CHANNEL } from './channel-data.ts';
import { addressKey } from './five-tuple.ts';
import type { PeerPolicy } from './peer-policy.ts';
import type { ServerState } from './server-state.ts';
import { type Allocation, type Relay, relayOf } from './turn-allocation.ts';
import { TurnRefusal } from './turn-refusal.ts';
import type { TurnResponder } from './turn-responder.ts';
import type { TurnServerLimits } from './turn-server-options.ts';

/** CreatePermission and ChannelBind (RFC 8656 §10.2 and §12.3). */
export class PeerRequests {
  readonly #state: ServerState;
  readonly #responder: TurnResponder;
  readonly #limits: TurnServerLimits;
  readonly #policyOf: (local: TransportAddress) => PeerPolicy;

  constructor(
    state: ServerState,
    responder: TurnResponder,
    limits: TurnServerLimits,
    policyOf: (local: TransportAddress) => PeerPolicy,
  ) {
    this.#state = state;
    this.#responder = responder;
    this.#limits = limits;
    this.#policyOf = policyOf;
  }

  /** An authenticated CreatePermission: all of its peers or none. Throws TurnRefusal. */
  createPermission(now: NowMs, message: StunMessage, user: AuthenticatedUser, allocation: Allocation): void {
    const peers = findAttributes(message, attributeType.xorPeerAddress).map(
      (value) => decodeXorAddress(value, message.transactionId).address,
    );
    if (peers.length === 0) throw new TurnRefusal(400);
    const relays = peers.map((peer) => this.relayFor(allocation, peer));
    const added = new Set(peers.filter((peer) => !allocation.permissions.has(peer)));
    if (allocation.permissions.size + added.size > this.#limits.maxPermissions) throw new TurnRefusal(508);
    peers.forEach((peer, i) => {
      this.#state.permit(now, allocation, relays[i]!, peer);
    });
    this.#state.schedule(allocation);
    this.#state.send(allocation.tuple, this.#responder.success(message, user));
  }

  /** An authenticated ChannelBind. Throws TurnRefusal. */
  channelBind(now: NowMs, message: StunMessage, user: AuthenticatedUser, allocation: Allocation): void {
    const number = findAttribute(message, attributeType.channelNumber);
    const value = findAttribute(message, attributeType.xorPeerAddress);
    if (number?.length !== 4 || !value) throw new TurnRefusal(400);
    const channel = (number[0]! << 8) | number[1]!;
    const peer = decodeXorAddress(value, message.transactionId);
    if (channel < MIN_CHANNEL || channel > this.#limits.maxChannelNumber) throw new TurnRefusal(400);
    const ofNumber = allocation.channels.get(channel);
    const ofPeer = allocation.channelOfPeer.get(addressKey(peer));
    if (ofNumber !== ofPeer) throw new TurnRefusal(400);
    const relay = this.relayFor(allocation, peer.address);
    if (relay.transport !== 'udp') throw new TurnRefusal(400);
    const { permissions, channels } = allocation;
    if (!ofNumber && channels.size >= this.#limits.maxChannels) throw new TurnRefusal(508);
    if (!permissions.has(peer.address) && permissions.size >= this.#limits.maxPermissions) {
      throw new TurnRefusal(508);
    }
    this.#state.permit(now, allocation, relay, peer.address);
    this.#state.bindChannel(now, allocation, relay, channel, peer);
    this.#state.schedule(allocation);
    this.#state.send(allocation.tuple, this.#responder.success(message, user));
  }

  /** The relay of the allocation that may talk to this peer address. Throws TurnRefusal with 443 or 403. */
  relayFor(allocation: Allocation, peer: string): Relay {
    const relay = relayOf(allocation, ipFamily(peer));
    // A mapped address is refused for what it is, whether or not there is an IPv6 relay to say 443 about.
    if (!this.#policyOf(allocation.tuple.local).permits(peer)) throw new TurnRefusal(403);
    if (!relay) throw new TurnRefusal(443);
    return relay;
  }
}
