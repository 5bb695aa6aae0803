import { canonicalIp } from '@conclave/bytes';
import type {
  EgressId,
  EgressOptions,
  ExtensionIds,
  FlowTable,
  GroupId,
  IngressId,
  IngressOptions,
  Path,
  PeerId,
  PeerOptions,
  SocketId,
  SrtpKeys,
  SwitchMode,
} from './flow-table.ts';
import { SrtpProfile } from './flow-table.ts';
import { RecordWriter } from './record-codec.ts';

/** Operations, as in native/command.cc. */
const operation = {
  addPeer: 1,
  removePeer: 2,
  setPaths: 3,
  setSrtpKeys: 4,
  setRoundTrip: 5,
  addIngress: 6,
  bindSsrc: 7,
  removeIngress: 8,
  requestKeyFrame: 9,
  addEgress: 10,
  removeEgress: 11,
  setSource: 12,
  addGroup: 13,
  removeGroup: 14,
  setGroupReceiver: 15,
  removeGroupReceiver: 16,
  setGroupSource: 17,
  setGroupPermissions: 18,
  send: 19,
  closePath: 20,
  addRelayedPath: 21,
} as const;

/** Key and salt lengths of each profile, in bytes. */
const keyLengths: Record<SrtpProfile, readonly [number, number]> = {
  [SrtpProfile.aes128CmSha1_80]: [16, 14],
  [SrtpProfile.aeadAes128Gcm]: [16, 12],
  [SrtpProfile.aeadAes256Gcm]: [32, 12],
};

/** Longest datagram the plane takes or sends. */
const maxDatagramBytes = 2048;
const maxCnameLength = 32;
/** What a one-byte extension element can hold (RFC 8285 §4.2). */
const maxRidLength = 16;
const maxGroupSlots = 256;
const maxSsrcsOfPeer = 65_536;

function integer(name: string, value: number, max: number, min = 0): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new TypeError(`${name} must be an integer from ${min} to ${max}, not ${value}`);
}

const uint32 = (name: string, value: number): number => integer(name, value, 0xffffffff);

function ascii(name: string, text: string, maxLength: number): string {
  if (typeof text === 'string' && text.length <= maxLength && /^[\x20-\x7e]*$/.test(text)) return text;
  throw new TypeError(`${name} must be at most ${maxLength} printable ASCII characters`);
}

function durationUs(name: string, milliseconds: number): number {
  if (Number.isFinite(milliseconds) && milliseconds >= 0) return Math.round(milliseconds * 1000);
  throw new TypeError(`${name} must be a duration in milliseconds, not ${milliseconds}`);
}

/** Ids of relayed paths: far above those of sockets, with the thread in the same low bits. */
const firstRelayedSocket = 2 ** 52;
const socketIdStep = 64;
let nextRelayed = 0;

/** Where records go: the mailbox of a thread, or the harness. The bytes are valid during the call only. */
export type PostRecord = (thread: number, record: Uint8Array) => void;

/**
 * The rule interface as records for the addon. Checks arguments, and knows which thread owns what, so that each record
 * goes to the one that must carry it out. Rules about ids it does not know are no-ops.
 */
export class RuleEncoder implements FlowTable {
  readonly #threads: number;
  readonly #post: PostRecord;
  readonly #threadOfSocket: (socket: SocketId) => number;
  readonly #writer = new RecordWriter();
  readonly #peers = new Map<PeerId, { thread: number; ingresses: Set<IngressId>; egresses: Set<EgressId> }>();
  readonly #ingresses = new Map<IngressId, PeerId>();
  readonly #egresses = new Map<EgressId, PeerId>();
  readonly #groups = new Map<GroupId, number>();

  constructor(threads: number, post: PostRecord, threadOfSocket: (socket: SocketId) => number) {
    this.#threads = threads;
    this.#post = post;
    this.#threadOfSocket = threadOfSocket;
  }

  addPeer(peer: PeerId, options: PeerOptions): void {
    const thread = integer('thread', options.thread, this.#threads - 1);
    const w = this.#writer.begin(operation.addPeer).u32(uint32('peer', peer));
    w.u32(uint32('feedbackSsrc', options.feedbackSsrc)).text(ascii('cname', options.cname, maxCnameLength));
    this.#extensions(options.extensions);
    w.u8(options.transportFeedback ? 1 : 0);
    w.u32(integer('maxSsrcs', options.maxSsrcs ?? 0, maxSsrcsOfPeer));
    if (this.#peers.has(peer)) return;
    this.#peers.set(peer, { thread, ingresses: new Set(), egresses: new Set() });
    this.#post(thread, w.finish());
  }

  removePeer(peer: PeerId): void {
    const known = this.#peers.get(peer);
    if (!known) return;
    for (const id of known.ingresses) this.#ingresses.delete(id);
    for (const id of known.egresses) this.#egresses.delete(id);
    this.#peers.delete(peer);
    this.#post(known.thread, this.#writer.begin(operation.removePeer).u32(peer).finish());
  }

  setPaths(peer: PeerId, accepted: readonly Path[], sendTo: Path | undefined): void {
    const w = this.#writer.begin(operation.setPaths).u32(uint32('peer', peer));
    w.u16(integer('number of paths', accepted.length, 1000));
    for (const path of accepted) w.path(path);
    w.u8(sendTo ? 1 : 0);
    if (sendTo) w.path(sendTo);
    this.#postForPeer(peer);
  }

  setSrtpKeys(peer: PeerId, keys: SrtpKeys): void {
    const lengths = keyLengths[keys.profile];
    if (!lengths) throw new TypeError(`unknown SRTP profile ${keys.profile}`);
    const [keyLength, saltLength] = lengths;
    if (
      keys.receiveKey.length !== keyLength ||
      keys.sendKey.length !== keyLength ||
      keys.receiveSalt.length !== saltLength ||
      keys.sendSalt.length !== saltLength
    ) {
      throw new TypeError(
        `profile ${keys.profile} needs keys of ${keyLength} and salts of ${saltLength} bytes`,
      );
    }
    const w = this.#writer.begin(operation.setSrtpKeys).u32(uint32('peer', peer)).u16(keys.profile);
    w.bytes(keys.receiveKey).bytes(keys.receiveSalt).bytes(keys.sendKey).bytes(keys.sendSalt);
    this.#postForPeer(peer);
    w.wipe();
  }

  setRoundTrip(peer: PeerId, roundTripMs: number): void {
    const us = durationUs('roundTripMs', roundTripMs);
    this.#writer.begin(operation.setRoundTrip).u32(uint32('peer', peer)).f64(us);
    this.#postForPeer(peer);
  }

  addIngress(ingress: IngressId, options: IngressOptions): void {
    const { peer, ssrc, rtxSsrc, rtxPayloadType } = options;
    const flags =
      (ssrc === undefined ? 0 : 1) |
      (rtxSsrc === undefined ? 0 : 2) |
      (rtxPayloadType === undefined ? 0 : 4) |
      (options.nack ? 8 : 0);
    const w = this.#writer
      .begin(operation.addIngress)
      .u32(uint32('ingress', ingress))
      .u32(uint32('peer', peer));
    w.u8(options.kind === 'audio' ? 0 : 1).u8(flags);
    w.u32(uint32('ssrc', ssrc ?? 0)).u32(uint32('rtxSsrc', rtxSsrc ?? 0));
    w.u8(integer('payloadType', options.payloadType, 127));
    w.u8(integer('rtxPayloadType', rtxPayloadType ?? 0, 127));
    w.u32(integer('clockRate', options.clockRate, 0xffffffff, 1)).u32(uint32('csrc', options.csrc));
    w.text(ascii('rid', options.rid ?? '', maxRidLength));
    const known = this.#peers.get(peer);
    if (!known || this.#ingresses.has(ingress)) return;
    known.ingresses.add(ingress);
    this.#ingresses.set(ingress, peer);
    this.#post(known.thread, w.finish());
  }

  bindSsrc(ingress: IngressId, ssrc: number): void {
    this.#writer.begin(operation.bindSsrc).u32(uint32('ingress', ingress)).u32(uint32('ssrc', ssrc));
    this.#postForPeer(this.#ingresses.get(ingress));
  }

  removeIngress(ingress: IngressId): void {
    const peer = this.#ingresses.get(ingress);
    if (peer === undefined) return;
    this.#writer.begin(operation.removeIngress).u32(ingress);
    this.#postForPeer(peer);
    this.#ingresses.delete(ingress);
    this.#peers.get(peer)?.ingresses.delete(ingress);
  }

  requestKeyFrame(ingress: IngressId): void {
    this.#writer.begin(operation.requestKeyFrame).u32(uint32('ingress', ingress));
    this.#postForPeer(this.#ingresses.get(ingress));
  }

  addEgress(egress: EgressId, options: EgressOptions): void {
    const { peer, rtxSsrc, rtxPayloadType } = options;
    const hasRtx = rtxSsrc !== undefined && rtxPayloadType !== undefined;
    const w = this.#writer.begin(operation.addEgress).u32(uint32('egress', egress)).u32(uint32('peer', peer));
    w.u8(options.kind === 'audio' ? 0 : 1).u8(hasRtx ? 1 : 0);
    w.u32(uint32('ssrc', options.ssrc)).u32(uint32('rtxSsrc', rtxSsrc ?? 0));
    w.u8(integer('payloadType', options.payloadType, 127));
    w.u8(integer('rtxPayloadType', rtxPayloadType ?? 0, 127));
    w.u32(integer('clockRate', options.clockRate, 0xffffffff, 1));
    this.#extensions(options.extensions);
    w.u16(integer('initialSequence', options.initialSequence, 0xffff));
    w.u32(uint32('initialTimestamp', options.initialTimestamp));
    w.u16(integer('initialRtxSequence', options.initialRtxSequence, 0xffff));
    const known = this.#peers.get(peer);
    if (!known || this.#egresses.has(egress)) return;
    known.egresses.add(egress);
    this.#egresses.set(egress, peer);
    this.#post(known.thread, w.finish());
  }

  removeEgress(egress: EgressId): void {
    const peer = this.#egresses.get(egress);
    if (peer === undefined) return;
    this.#writer.begin(operation.removeEgress).u32(egress);
    this.#postForPeer(peer);
    this.#egresses.delete(egress);
    this.#peers.get(peer)?.egresses.delete(egress);
  }

  setSource(egress: EgressId, ingress: IngressId | undefined, mode: SwitchMode): void {
    const deadlineUs = mode.at === 'key-frame' ? durationUs('deadlineMs', mode.deadlineMs) : 0;
    const w = this.#writer.begin(operation.setSource).u32(uint32('egress', egress));
    w.u8(ingress === undefined ? 0 : 1).u32(uint32('ingress', ingress ?? 0));
    w.u8(mode.at === 'now' ? 0 : 1).f64(deadlineUs);
    this.#postForPeer(this.#egresses.get(egress));
  }

  addGroup(group: GroupId, thread: number, slots: number): void {
    integer('thread', thread, this.#threads - 1);
    const w = this.#writer.begin(operation.addGroup).u32(uint32('group', group));
    w.u16(integer('slots', slots, maxGroupSlots, 1));
    if (this.#groups.has(group)) return;
    this.#groups.set(group, thread);
    this.#postForGroup(group);
  }

  removeGroup(group: GroupId): void {
    this.#writer.begin(operation.removeGroup).u32(uint32('group', group));
    this.#postForGroup(group);
    this.#groups.delete(group);
  }

  setGroupReceiver(group: GroupId, peer: PeerId, egresses: readonly EgressId[]): void {
    const w = this.#writer.begin(operation.setGroupReceiver).u32(uint32('group', group));
    this.#ids(w.u32(uint32('peer', peer)), 'egress', egresses);
    this.#postForGroup(group);
  }

  removeGroupReceiver(group: GroupId, peer: PeerId): void {
    this.#writer.begin(operation.removeGroupReceiver).u32(uint32('group', group)).u32(uint32('peer', peer));
    this.#postForGroup(group);
  }

  setGroupSource(group: GroupId, slot: number, ingress: IngressId | undefined): void {
    const w = this.#writer.begin(operation.setGroupSource).u32(uint32('group', group));
    w.u16(integer('slot', slot, maxGroupSlots - 1));
    w.u8(ingress === undefined ? 0 : 1).u32(uint32('ingress', ingress ?? 0));
    this.#postForGroup(group);
  }

  setGroupPermissions(group: GroupId, receiver: PeerId, allowed: readonly IngressId[]): void {
    const w = this.#writer.begin(operation.setGroupPermissions).u32(uint32('group', group));
    this.#ids(w.u32(uint32('peer', receiver)), 'ingress', allowed);
    this.#postForGroup(group);
  }

  send(path: Path, bytes: Uint8Array): void {
    integer('length of the datagram', bytes.length, maxDatagramBytes, 1);
    const record = this.#writer.begin(operation.send).path(path).bytes(bytes).finish();
    this.#post(this.#threadOfSocket(path.socket), record);
  }

  /** See `Forwarder.addRelayedPath`. */
  addRelayedPath(
    via: Path,
    channel: number,
    peer: { readonly address: string; readonly port: number },
  ): Path {
    integer('channel', channel, 0x4fff, 0x4000);
    const thread = this.#threadOfSocket(via.socket);
    const socket = (firstRelayedSocket + nextRelayed * socketIdStep + thread) as SocketId;
    const w = this.#writer
      .begin(operation.addRelayedPath)
      .path({ ...peer, socket })
      .path(via)
      .u16(channel);
    nextRelayed++;
    this.#post(thread, w.finish());
    return { socket, address: canonicalIp(peer.address)!, port: peer.port };
  }

  closePath(socket: SocketId): void {
    integer('socket', socket, Number.MAX_SAFE_INTEGER);
    this.#post(this.#threadOfSocket(socket), this.#writer.begin(operation.closePath).f64(socket).finish());
  }

  #ids(w: RecordWriter, name: string, ids: readonly number[]): void {
    w.u32(ids.length);
    for (const id of ids) w.u32(uint32(name, id));
  }

  /** In the order of the enumeration in native/types.h; 0 stands for none. */
  #extensions(ids: ExtensionIds): void {
    const ordered = [
      ids.audioLevel,
      ids.absSendTime,
      ids.genericFrameDescriptor,
      ids.dependencyDescriptor,
      ids.transportSequence,
      ids.rid,
      ids.repairedRid,
      ids.mid,
    ];
    for (const id of ordered) this.#writer.u8(id === undefined ? 0 : integer('extension id', id, 14, 1));
  }

  #postForPeer(peer: PeerId | undefined): void {
    const known = peer === undefined ? undefined : this.#peers.get(peer);
    if (known) this.#post(known.thread, this.#writer.finish());
  }

  #postForGroup(group: GroupId): void {
    const thread = this.#groups.get(group);
    if (thread !== undefined) this.#post(thread, this.#writer.finish());
  }
}
