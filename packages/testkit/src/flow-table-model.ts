import type { NowMs } from '@conclave/bytes';
import type {
  AudioLevelSample,
  EgressId,
  EgressOptions,
  EgressStats,
  FlowTableHarness,
  ForwarderOptions,
  GroupId,
  HarnessOutput,
  IngressId,
  IngressOptions,
  IngressStats,
  Path,
  PeerId,
  PeerOptions,
  SocketId,
  SrtpKeys,
  SwitchMode,
} from '@conclave/forwarder';
import { isRtcp, isRtpOrRtcp } from '@conclave/rtp';
import { ModelEgress } from './flow-table-model-egress.ts';
import { ModelGroup } from './flow-table-model-group.ts';
import { ModelIngress } from './flow-table-model-ingress.ts';
import { receiveRtp, releaseHeld } from './flow-table-model-media.ts';
import { ModelPeer } from './flow-table-model-peer.ts';
import { receiveRtcp, requestKeyFrame } from './flow-table-model-rtcp.ts';
import { type DropReason, ModelState, reasonOf } from './flow-table-model-state.ts';

/** What of the plane's options matters to the model. */
export type FlowTableModelOptions = Pick<ForwarderOptions, 'onsetLevel' | 'maxSsrcsPerPeer'>;

const LARGEST_DATAGRAM = 2048;

/**
 * The flow table in plain TypeScript: what the forwarding plane must do, packet by packet, written to be read and
 * compared with, not to be fast. It answers NACKs and asks for key frames, but makes no reports, no transport-wide
 * feedback and no NACKs of its own.
 */
export class FlowTableModel implements FlowTableHarness {
  readonly #maxSsrcs: number;
  readonly #state: ModelState;

  constructor(options: FlowTableModelOptions = {}) {
    this.#maxSsrcs = options.maxSsrcsPerPeer ?? 32;
    this.#state = new ModelState(options.onsetLevel ?? 60);
  }

  addPeer(id: PeerId, options: PeerOptions): void {
    if (!this.#state.peers.has(id)) this.#state.peers.set(id, new ModelPeer(id, options, this.#maxSsrcs));
  }

  removePeer(id: PeerId): void {
    const peer = this.#state.peers.get(id);
    if (peer === undefined) return;
    for (const ingress of [...peer.ingresses]) this.removeIngress(ingress.id);
    for (const egress of [...peer.egresses]) this.removeEgress(egress.id);
    for (const group of this.#state.groups.values()) this.removeGroupReceiver(group.id, id);
    this.#state.setPaths(peer, []);
    this.#state.peers.delete(id);
  }

  setPaths(id: PeerId, accepted: readonly Path[], sendTo: Path | undefined): void {
    const peer = this.#state.peers.get(id);
    if (peer === undefined) return;
    this.#state.setPaths(peer, accepted);
    peer.sendTo = sendTo;
  }

  setSrtpKeys(id: PeerId, keys: SrtpKeys): void {
    this.#state.peers.get(id)?.setKeys(keys);
  }

  setRoundTrip(id: PeerId, roundTripMs: number): void {
    const peer = this.#state.peers.get(id);
    if (peer !== undefined) peer.roundTripUs = Math.round(roundTripMs * 1000);
  }

  addIngress(id: IngressId, options: IngressOptions): void {
    const peer = this.#state.peers.get(options.peer);
    if (peer === undefined || this.#state.ingresses.has(id)) return;
    const ingress = new ModelIngress(id, options, peer);
    if (options.ssrc !== undefined && peer.streamOf(options.ssrc) === undefined) ingress.ssrc = options.ssrc;
    if (
      options.rtxSsrc !== undefined &&
      peer.streamOf(options.rtxSsrc) === undefined &&
      options.rtxSsrc !== ingress.ssrc
    ) {
      ingress.rtxSsrc = options.rtxSsrc;
    }
    this.#state.ingresses.set(id, ingress);
    peer.ingresses.push(ingress);
    releaseHeld(this.#state, peer);
  }

  bindSsrc(id: IngressId, ssrc: number): void {
    const ingress = this.#state.ingresses.get(id);
    if (ingress === undefined || ingress.peer.streamOf(ssrc) !== undefined) return;
    if (ingress.ssrc !== undefined) {
      // Positions of another SSRC have nothing to do with those before.
      for (const egress of this.#state.egresses.values())
        if (egress.source === ingress) egress.startsAnew = true;
    }
    ingress.bind(ssrc);
    releaseHeld(this.#state, ingress.peer);
  }

  removeIngress(id: IngressId): void {
    const ingress = this.#state.ingresses.get(id);
    if (ingress === undefined) return;
    for (const egress of this.#state.egresses.values()) {
      if (egress.source === ingress) egress.source = undefined;
      if (egress.wish?.ingress === ingress) this.#state.dropWish(egress);
    }
    for (const group of this.#state.groups.values()) {
      group.sources.forEach((source, slot) => {
        if (source === ingress) group.sources[slot] = undefined;
      });
      for (const receiver of group.receivers) receiver.allowed.delete(id);
    }
    ingress.dropKept();
    ingress.peer.ingresses.splice(ingress.peer.ingresses.indexOf(ingress), 1);
    this.#state.ingresses.delete(id);
  }

  requestKeyFrame(id: IngressId): void {
    const ingress = this.#state.ingresses.get(id);
    if (ingress !== undefined) requestKeyFrame(this.#state, ingress);
  }

  addEgress(id: EgressId, options: EgressOptions): void {
    const peer = this.#state.peers.get(options.peer);
    if (peer === undefined || this.#state.egresses.has(id)) return;
    const egress = new ModelEgress(id, options, peer);
    this.#state.egresses.set(id, egress);
    peer.egresses.push(egress);
  }

  removeEgress(id: EgressId): void {
    const egress = this.#state.egresses.get(id);
    if (egress === undefined) return;
    this.#state.dropWish(egress);
    this.#state.leaveSource(egress);
    for (const receiver of egress.group?.receivers ?? []) {
      receiver.egresses = receiver.egresses.map((other) => (other === egress ? undefined : other));
    }
    egress.peer.egresses.splice(egress.peer.egresses.indexOf(egress), 1);
    this.#state.egresses.delete(id);
  }

  setSource(id: EgressId, source: IngressId | undefined, mode: SwitchMode): void {
    const egress = this.#state.egresses.get(id);
    if (egress === undefined || egress.group !== undefined) return;
    const ingress = source === undefined ? undefined : this.#state.ingresses.get(source);
    if (source !== undefined && ingress === undefined) return;
    this.#state.dropWish(egress);
    if (ingress !== undefined && egress.source === ingress) return;
    if (ingress === undefined || mode.at === 'now') this.#state.leaveSource(egress);
    if (ingress === undefined) return;
    const deadlineUs = mode.at === 'key-frame' ? this.#state.nowUs + Math.round(mode.deadlineMs * 1000) : 0;
    egress.wish = { ingress, at: mode.at, deadlineUs };
    if (!ingress.subscribers.includes(egress)) ingress.subscribers.push(egress);
    if (mode.at === 'key-frame') {
      this.#state.waiting.push(egress);
      this.#state.needKeyFrame(ingress);
    }
  }

  addGroup(id: GroupId, _thread: number, slots: number): void {
    if (!this.#state.groups.has(id)) this.#state.groups.set(id, new ModelGroup(id, slots));
  }

  removeGroup(id: GroupId): void {
    const group = this.#state.groups.get(id);
    if (group === undefined) return;
    for (const receiver of group.receivers) group.clearSlots(receiver);
    for (const ingress of this.#state.ingresses.values()) {
      ingress.places = ingress.places.filter((place) => place.group !== group);
    }
    this.#state.groups.delete(id);
  }

  setGroupReceiver(id: GroupId, peerId: PeerId, egresses: readonly EgressId[]): void {
    const group = this.#state.groups.get(id);
    const peer = this.#state.peers.get(peerId);
    if (group === undefined || peer === undefined) return;
    const receiver = group.receiverOf(peer);
    group.clearSlots(receiver);
    receiver.egresses = group.sources.map((_, slot) => {
      const egressId = egresses[slot];
      const egress = egressId === undefined ? undefined : this.#state.egresses.get(egressId);
      if (egress === undefined || egress.peer !== peer || egress.group !== undefined) return undefined;
      this.#state.dropWish(egress);
      this.#state.leaveSource(egress);
      egress.group = group;
      return egress;
    });
  }

  removeGroupReceiver(id: GroupId, peerId: PeerId): void {
    const group = this.#state.groups.get(id);
    const receiver = group?.receivers.find((r) => r.peer.id === peerId);
    if (group === undefined || receiver === undefined) return;
    group.clearSlots(receiver);
    group.receivers = group.receivers.filter((r) => r !== receiver);
  }

  setGroupSource(id: GroupId, slot: number, source: IngressId | undefined): void {
    const group = this.#state.groups.get(id);
    if (group === undefined || slot >= group.sources.length) return;
    const ingress = source === undefined ? undefined : this.#state.ingresses.get(source);
    if (source !== undefined && ingress === undefined) return;
    const old = group.sources[slot];
    if (old === ingress) return;
    if (old !== undefined) {
      old.places = old.places.filter((place) => place.group !== group || place.slot !== slot);
    }
    group.sources[slot] = ingress;
    ingress?.places.push({ group, slot });
    group.settle();
  }

  setGroupPermissions(id: GroupId, receiverId: PeerId, allowed: readonly IngressId[]): void {
    const group = this.#state.groups.get(id);
    const peer = this.#state.peers.get(receiverId);
    if (group === undefined || peer === undefined) return;
    group.receiverOf(peer).allowed = new Set(allowed);
    group.settle();
  }

  send(path: Path, bytes: Uint8Array): void {
    if (bytes.length > 0 && bytes.length <= LARGEST_DATAGRAM)
      this.#state.sent.push({ path, bytes: Uint8Array.from(bytes) });
  }

  closePath(_socket: SocketId): void {
    // There are no connections here.
  }

  receive(now: NowMs, path: Path, bytes: Uint8Array): HarnessOutput {
    this.#advance(now);
    this.#state.count('received_packets');
    this.#state.count('received_bytes', bytes.length);
    this.#state.countDrop(this.#receive(path, bytes));
    return this.#takeOutput();
  }

  tick(now: NowMs): HarnessOutput {
    this.#advance(now);
    return this.#takeOutput();
  }

  readAudioLevels(): AudioLevelSample[] {
    const audio = [...this.#state.ingresses.values()].filter((ingress) => ingress.options.kind === 'audio');
    return audio.map((ingress) => ingress.readLevels());
  }

  readIngressStats(): IngressStats[] {
    return [...this.#state.ingresses.values()].map((ingress) => ingress.stats);
  }

  readEgressStats(): EgressStats[] {
    return [...this.#state.egresses.values()].map((egress) => egress.stats);
  }

  readCounters(): Record<string, number> {
    return { ...this.#state.counters };
  }

  #advance(now: NowMs): void {
    this.#state.nowUs = Math.round(now * 1000);
    for (const egress of [...this.#state.waiting]) {
      const wish = egress.wish;
      if (wish === undefined || this.#state.nowUs < wish.deadlineUs) continue;
      this.#state.events.push({ type: 'switch-deadline', egress: egress.id, ingress: wish.ingress.id });
      this.#state.dropWish(egress);
    }
    for (const peer of this.#state.peers.values()) {
      const expired = peer.expireHeld(this.#state.nowUs);
      if (expired > 0) this.#state.count('dropped_unknown_ssrc', expired);
    }
  }

  #receive(path: Path, bytes: Uint8Array): DropReason {
    const first = bytes[0];
    if (first === undefined) return 'not_demultiplexed';
    if (bytes.length > LARGEST_DATAGRAM) return 'oversize';
    // RFC 7983 §7.
    if (first <= 3) {
      this.#state.events.push({ type: 'stun', path, bytes: Uint8Array.from(bytes) });
      return undefined;
    }
    const isDtls = first >= 20 && first <= 63;
    if (!isDtls && !isRtpOrRtcp(bytes)) return 'not_demultiplexed';
    const peer = this.#state.peerAt(path);
    if (peer === undefined) return 'no_path';
    if (isDtls) {
      this.#state.events.push({ type: 'dtls', peer: peer.id, path, bytes: Uint8Array.from(bytes) });
      return undefined;
    }
    if (peer.receiver === undefined) return 'no_keys';
    try {
      if (!isRtcp(bytes)) return receiveRtp(this.#state, peer, peer.receiver.unprotectRtp(bytes));
      receiveRtcp(this.#state, peer, peer.receiver.unprotectRtcp(bytes));
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }

  #takeOutput(): HarnessOutput {
    const { sent, events } = this.#state;
    this.#state.sent = [];
    this.#state.events = [];
    return { sent, events };
  }
}
