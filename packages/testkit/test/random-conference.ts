import { concatBytes, type NowMs } from '@conclave/bytes';
import type {
  EgressId,
  ExtensionIds,
  GroupId,
  IngressId,
  Path,
  PeerId,
  SocketId,
  SrtpProfile,
} from '@conclave/forwarder';
import {
  decapsulateRtx,
  encapsulateRtx,
  encodeRid,
  encodeRtcp,
  encodeRtpPacket,
  parseRtpPacket,
  type RtcpPacket,
} from '@conclave/rtp';
import { RtpPacketFactory } from '../src/rtp-packet-factory.ts';
import { SeededRandom } from '../src/seeded-random.ts';
import { SrtpOracleSender, srtpKeyLengths } from '../src/srtp-oracle.ts';
import type { SentMedia, TwinTables } from './twin-tables.ts';

/** A stream as its sender knows it. */
interface ClientStream {
  readonly peer: ClientPeer;
  readonly ingress: IngressId;
  readonly kind: 'audio' | 'video';
  readonly extensions: ExtensionIds;
  readonly rid: string | undefined;
  readonly rtxSsrc: number;
  ssrc: number;
  factory: RtpPacketFactory;
  rtxSequence: number;
  /** Last packets, unprotected, for retransmission. */
  recent: Uint8Array[];
}

interface ClientPeer {
  readonly id: PeerId;
  readonly path: Path;
  readonly extensions: ExtensionIds;
  sender: SrtpOracleSender;
  readonly stranger: SrtpOracleSender;
  readonly egresses: EgressId[];
  readonly slots: EgressId[];
}

const AUDIO = { payloadType: 111, clockRate: 48_000 };
const VIDEO = { payloadType: 100, clockRate: 90_000 };
const RTX_PAYLOAD_TYPE = 101;
const GROUP = 1 as GroupId;
const SOCKET = 1 as SocketId;

/** Two ways to number the same extensions, so that ids have to be mapped. */
const EXTENSION_IDS: readonly ExtensionIds[] = [
  {
    audioLevel: 1,
    absSendTime: 2,
    transportSequence: 3,
    rid: 4,
    repairedRid: 5,
    mid: 6,
    genericFrameDescriptor: 11,
    dependencyDescriptor: 12,
  },
  {
    audioLevel: 5,
    absSendTime: 14,
    rid: 9,
    repairedRid: 10,
    genericFrameDescriptor: 3,
    dependencyDescriptor: 1,
  },
  { transportSequence: 7, rid: 1, repairedRid: 2, absSendTime: 13, genericFrameDescriptor: 8 },
  // Without a frame descriptor key frames are found in the payload.
  { transportSequence: 3, rid: 4, repairedRid: 5, absSendTime: 2 },
];

/** How one packet is sent; each field chooses among what is possible. */
export interface PacketChoices {
  readonly stream: number;
  readonly content: 'media' | 'padding' | 'key' | 'dependency-key' | 'delta' | 'rest' | 'empty';
  readonly step: number;
  readonly ticks: number;
  readonly withRid: boolean;
  readonly twoByte: boolean;
  readonly junkExtension: boolean;
  readonly padding: number;
  readonly level: number;
  readonly voice: boolean;
  readonly marker: boolean;
  readonly fate: 'sent' | 'later' | 'twice' | 'forged' | 'cut' | 'elsewhere' | 'other-type';
  readonly seed: number;
}

/** One thing that happens in the conference. */
export type Action =
  | ({ readonly type: 'packet' } & PacketChoices)
  | { readonly type: 'late-packets' }
  | { readonly type: 'repair'; readonly stream: number; readonly which: number; readonly named: boolean }
  | { readonly type: 'time'; readonly ms: number }
  | {
      readonly type: 'source';
      readonly egress: number;
      readonly stream: number;
      readonly keyFrame: boolean;
      readonly deadlineMs: number;
    }
  | { readonly type: 'slot'; readonly slot: number; readonly stream: number }
  | { readonly type: 'permissions'; readonly peer: number; readonly mask: number }
  | { readonly type: 'receiver'; readonly peer: number; readonly member: boolean }
  | { readonly type: 'bind'; readonly stream: number; readonly fresh: boolean }
  | { readonly type: 'ingress'; readonly stream: number; readonly remove: boolean }
  | { readonly type: 'egress'; readonly egress: number }
  | { readonly type: 'paths'; readonly peer: number; readonly which: 'none' | 'normal' | 'receive-only' }
  | { readonly type: 'report'; readonly stream: number; readonly skewMs: number; readonly withBlock: boolean }
  | {
      readonly type: 'feedback';
      readonly peer: number;
      readonly kind: 'pli' | 'fir' | 'nack';
      readonly which: number;
    }
  | { readonly type: 'request'; readonly stream: number }
  | {
      readonly type: 'datagram';
      readonly peer: number;
      readonly first: number;
      readonly known: boolean;
      readonly length: number;
    }
  | { readonly type: 'levels' }
  | { readonly type: 'leave'; readonly peer: number };

/** A conference of four peers, played to two tables at once. */
export class RandomConference {
  readonly #twins: TwinTables;
  readonly #peers: ClientPeer[] = [];
  readonly #streams: ClientStream[] = [];
  readonly #profile: SrtpProfile;
  readonly #late: { path: Path; bytes: Uint8Array }[] = [];
  readonly #random: SeededRandom;
  readonly #sent: SentMedia[] = [];
  #nextSsrc = 0x1000;
  #now: NowMs;

  constructor(twins: TwinTables, profile: SrtpProfile, seed: number) {
    this.#twins = twins;
    this.#profile = profile;
    this.#random = new SeededRandom(seed);
    this.#now = this.#random.below(100_000);
    twins.tick(this.#now);
    twins.tell((table) => table.addGroup(GROUP, 0, 2));
    for (let i = 0; i < 4; i++) this.#addPeer(i);
    for (const peer of this.#peers) this.#addStreams(peer);
    for (const peer of this.#peers) this.#addEgresses(peer);
    this.#wire();
  }

  /** Packets that both tables sent so far. */
  get sentCount(): number {
    return this.#sent.length;
  }

  /** Plays one action; the comparison is made on the way. */
  play(action: Action): void {
    switch (action.type) {
      case 'packet':
        this.#sendPacket(action);
        break;
      case 'late-packets':
        for (const { path, bytes } of this.#late.splice(0).reverse()) this.#deliver(path, bytes);
        break;
      case 'repair':
        this.#sendRepair(this.#stream(action.stream), action.which, action.named);
        break;
      case 'time':
        this.#now += action.ms;
        this.#note(this.#twins.tick(this.#now));
        break;
      case 'source': {
        const { egress, stream, keyFrame, deadlineMs } = action;
        const peer = this.#peers[egress % 4]!;
        const id = peer.egresses[(egress >>> 2) % peer.egresses.length]!;
        const source = stream % 7 === 0 ? undefined : this.#streamOf('video', stream).ingress;
        this.#twins.tell((t) =>
          t.setSource(id, source, keyFrame ? { at: 'key-frame', deadlineMs } : { at: 'now' }),
        );
        break;
      }
      case 'slot': {
        const source = action.stream % 7 === 0 ? undefined : this.#streamOf('audio', action.stream).ingress;
        this.#twins.tell((table) => table.setGroupSource(GROUP, action.slot, source));
        break;
      }
      case 'permissions': {
        const audio = this.#streams.filter((s) => s.kind === 'audio');
        const allowed = audio.filter((_, i) => ((action.mask >>> i) & 1) !== 0).map((s) => s.ingress);
        const peer = this.#peers[action.peer % 4]!;
        this.#twins.tell((table) => table.setGroupPermissions(GROUP, peer.id, allowed));
        break;
      }
      case 'receiver': {
        const peer = this.#peers[action.peer % 4]!;
        if (action.member) this.#twins.tell((table) => table.setGroupReceiver(GROUP, peer.id, peer.slots));
        else this.#twins.tell((table) => table.removeGroupReceiver(GROUP, peer.id));
        break;
      }
      case 'bind': {
        const stream = this.#stream(action.stream);
        if (action.fresh) this.#renewSsrc(stream);
        this.#twins.tell((table) => table.bindSsrc(stream.ingress, stream.ssrc));
        break;
      }
      case 'ingress': {
        const stream = this.#stream(action.stream);
        if (action.remove) this.#twins.tell((table) => table.removeIngress(stream.ingress));
        else this.#addIngress(stream, true);
        break;
      }
      case 'egress': {
        const peer = this.#peers[action.egress % 4]!;
        const all = [...peer.egresses, ...peer.slots];
        const id = all[(action.egress >>> 2) % all.length]!;
        this.#twins.tell((table) => table.removeEgress(id));
        this.#addEgress(peer, id, peer.slots.includes(id) ? 'audio' : 'video');
        break;
      }
      case 'paths':
        this.#setPaths(this.#peers[action.peer % 4]!, action.which);
        break;
      case 'report':
        this.#sendReport(this.#stream(action.stream), action.skewMs, action.withBlock);
        break;
      case 'feedback':
        this.#sendFeedback(this.#peers[action.peer % 4]!, action.kind, action.which);
        break;
      case 'request':
        this.#twins.tell((table) => table.requestKeyFrame(this.#stream(action.stream).ingress));
        break;
      case 'datagram': {
        const { path } = this.#peers[action.peer % 4]!;
        const bytes = this.#random.bytes(action.length);
        if (bytes.length > 0) bytes[0] = action.first;
        this.#deliver(action.known ? path : { ...path, port: 9 }, bytes);
        break;
      }
      case 'levels':
        this.#twins.compareAudioLevels();
        break;
      case 'leave':
        this.#leaveAndReturn(action.peer % 4);
        break;
    }
  }

  /** A beginning in which packets of the first streams go to all others. */
  #wire(): void {
    const audio = this.#streams.filter((stream) => stream.kind === 'audio').map((stream) => stream.ingress);
    for (const peer of this.#peers) {
      const heard = audio.filter((_, i) => this.#peers[i] !== peer);
      this.#twins.tell((table) => table.setGroupPermissions(GROUP, peer.id, heard));
      for (const [i, id] of peer.egresses.entries()) {
        const { ingress } = this.#streams[1 + i + (peer.id === 1 ? 4 : 0)]!;
        this.#twins.tell((table) => table.setSource(id, ingress, { at: 'now' }));
      }
    }
    for (const slot of [0, 1]) this.#twins.tell((table) => table.setGroupSource(GROUP, slot, audio[slot]));
  }

  #addPeer(index: number): ClientPeer {
    const { keyLength, saltLength } = srtpKeyLengths(this.#profile);
    const [receiveKey, sendKey] = [this.#random.bytes(keyLength), this.#random.bytes(keyLength)];
    const [receiveSalt, sendSalt] = [this.#random.bytes(saltLength), this.#random.bytes(saltLength)];
    const peer: ClientPeer = {
      id: (index + 1) as PeerId,
      path: {
        socket: SOCKET,
        address: index % 2 === 0 ? `192.0.2.${index + 1}` : `2001:db8::${index + 1}`,
        port: 5000 + index,
      },
      extensions: EXTENSION_IDS[index % EXTENSION_IDS.length]!,
      sender: new SrtpOracleSender(this.#profile, receiveKey, receiveSalt),
      stranger: new SrtpOracleSender(this.#profile, sendKey, sendSalt),
      egresses: [0, 1].map((i) => (100 + index * 10 + i) as EgressId),
      slots: [2, 3].map((i) => (100 + index * 10 + i) as EgressId),
    };
    this.#peers[index] = peer;
    const { extensions } = peer;
    const options = {
      thread: 0,
      feedbackSsrc: 0xf0 + index,
      cname: `cname${index}`,
      extensions,
      transportFeedback: index === 0,
    };
    this.#twins.tell((table) => table.addPeer(peer.id, options));
    this.#setPaths(peer, 'normal');
    this.#twins.setKeys(
      peer.id,
      { profile: this.#profile, receiveKey, receiveSalt, sendKey, sendSalt },
      peer.path.port,
    );
    return peer;
  }

  #addStreams(peer: ClientPeer): void {
    for (const [kind, rid, offset] of [
      ['audio', undefined, 0],
      ['video', 'h', 1],
      ['video', 'l', 2],
      ['video', undefined, 3],
    ] as const) {
      const shape = kind === 'audio' ? AUDIO : VIDEO;
      const ssrc = this.#nextSsrc++;
      const sequence = this.#random.pick([0, 1000, 0xfff0, 0xfffc]);
      const timestamp = this.#random.pick([0, 50_000, 0xffff_f000]);
      const { extensions } = peer;
      const stream: ClientStream = {
        peer,
        ingress: (peer.id * 10 + offset) as IngressId,
        kind,
        rid,
        extensions,
        ssrc,
        rtxSsrc: this.#nextSsrc++,
        factory: new RtpPacketFactory({
          ssrc,
          payloadType: shape.payloadType,
          extensions,
          sequence,
          timestamp,
        }),
        rtxSequence: 0xfffe,
        recent: [],
      };
      this.#streams.push(stream);
      // Audio is known by its SSRC, layers by their rid, and the last stream by nothing but a later binding.
      this.#addIngress(stream, kind === 'audio');
    }
  }

  #addIngress(stream: ClientStream, withSsrc: boolean): void {
    const { peer, kind, rid, ssrc, rtxSsrc } = stream;
    this.#twins.tell((table) =>
      table.addIngress(stream.ingress, {
        peer: peer.id,
        kind,
        ...(withSsrc && rid === undefined && { ssrc, rtxSsrc }),
        ...(rid !== undefined && { rid }),
        ...(kind === 'audio' ? AUDIO : { ...VIDEO, rtxPayloadType: RTX_PAYLOAD_TYPE }),
        csrc: 0xc000 + stream.ingress,
        nack: kind === 'video',
      }),
    );
  }

  #addEgresses(peer: ClientPeer): void {
    for (const id of peer.egresses) this.#addEgress(peer, id, 'video');
    for (const id of peer.slots) this.#addEgress(peer, id, 'audio');
    this.#twins.tell((table) => table.setGroupReceiver(GROUP, peer.id, peer.slots));
  }

  #addEgress(peer: ClientPeer, id: EgressId, kind: 'audio' | 'video'): void {
    const repair = kind === 'video' && peer.id % 2 === 0;
    const options = {
      peer: peer.id,
      kind,
      ssrc: this.#nextSsrc++,
      payloadType: kind === 'audio' ? 96 : 98,
      ...(repair && { rtxSsrc: this.#nextSsrc++, rtxPayloadType: 99 }),
      clockRate: kind === 'audio' ? AUDIO.clockRate : VIDEO.clockRate,
      extensions: EXTENSION_IDS[(id + 1) % EXTENSION_IDS.length]!,
      initialSequence: this.#random.pick([0, 0xfffd, 0x7fff]),
      initialTimestamp: this.#random.pick([0, 0xffff_fc00, 0x1234_5678]),
      initialRtxSequence: 0xffff,
    };
    this.#twins.tell((table) => table.addEgress(id, options));
  }

  #setPaths(peer: ClientPeer, which: 'none' | 'normal' | 'receive-only'): void {
    const accepted = which === 'none' ? [] : [peer.path, { ...peer.path, port: peer.path.port + 100 }];
    this.#twins.tell((table) =>
      table.setPaths(peer.id, accepted, which === 'normal' ? peer.path : undefined),
    );
  }

  #sendPacket(choices: PacketChoices): void {
    const stream = this.#stream(choices.stream);
    const { peer } = stream;
    const random = new SeededRandom(choices.seed);
    const isAudio = stream.kind === 'audio';
    const content = isAudio && !['padding', 'empty'].includes(choices.content) ? 'media' : choices.content;
    const dependency = stream.extensions.dependencyDescriptor;
    const more = [];
    if (content === 'dependency-key' && dependency !== undefined) {
      more.push({
        id: dependency,
        value: concatBytes(Uint8Array.of(0x80, 0, 1, 0x80), random.bytes(random.below(20))),
      });
    }
    // An id of no meaning, and one that was there before: the first counts.
    if (choices.junkExtension)
      more.push({ id: 6, value: random.bytes(3) }, { id: 2, value: random.bytes(3) });
    const frame = content === 'key' || content === 'delta' || content === 'rest' ? content : undefined;
    const bytes = stream.factory.next({
      payload:
        content === 'padding' || content === 'empty' ? new Uint8Array() : random.bytes(1 + random.below(40)),
      paddingLength: content === 'padding' ? 1 + random.below(255) : choices.padding,
      step: choices.step,
      ticks: choices.ticks,
      marker: choices.marker,
      ...(isAudio && { audioLevel: { voice: choices.voice, level: choices.level } }),
      ...(choices.withRid && stream.rid !== undefined && { rid: stream.rid }),
      ...(choices.withRid && { mid: `${choices.stream}` }),
      absSendTimeMs: this.#now - 20,
      transportSequence: stream.factory.sequence + 1,
      ...(frame && { frame }),
      more,
      extensionForm: choices.twoByte
        ? 'two-byte'
        : more.some((e) => e.value.length > 16)
          ? 'two-byte'
          : 'one-byte',
    });
    stream.recent = [...stream.recent.slice(-20), bytes];
    if (choices.fate === 'other-type') bytes[1] = (bytes[1]! & 0x80) | 64;
    const sealed =
      choices.fate === 'forged' ? peer.stranger.protectRtp(bytes) : peer.sender.protectRtp(bytes);
    const datagram = choices.fate === 'cut' ? sealed.subarray(0, random.below(sealed.length)) : sealed;
    if (choices.fate === 'later') this.#late.push({ path: peer.path, bytes: datagram });
    else this.#deliver(choices.fate === 'elsewhere' ? { ...peer.path, port: 7 } : peer.path, datagram);
    // Often enough that both sources of a switch have told of their clocks.
    if (random.chance(0.3)) this.#sendReport(stream, random.pick([0, 0, -1.5, 3.7, 120.333, -2000]), false);
    if (choices.fate === 'twice') this.#deliver({ ...peer.path, port: peer.path.port + 100 }, datagram);
  }

  #sendRepair(stream: ClientStream, which: number, named: boolean): void {
    const original = stream.recent[which % Math.max(1, stream.recent.length)];
    if (original === undefined) return;
    const { rid, extensions, rtxSsrc } = stream;
    stream.rtxSequence = (stream.rtxSequence + 1) & 0xffff;
    const rtx = encapsulateRtx(parseRtpPacket(original), {
      ssrc: rtxSsrc,
      payloadType: RTX_PAYLOAD_TYPE,
      sequence: stream.rtxSequence,
    });
    const id = extensions.repairedRid;
    const name = named && rid !== undefined && id !== undefined ? [{ id, value: encodeRid(rid) }] : [];
    const probe = which % 5 === 4 ? { payload: new Uint8Array(), paddingLength: 100 } : {};
    const packet = { ...rtx, ...probe, extensions: [...name, ...rtx.extensions.filter((e) => e.id !== id)] };
    decapsulateRtx(rtx, { ssrc: 0, payloadType: 0 });
    this.#deliver(stream.peer.path, stream.peer.sender.protectRtp(encodeRtpPacket(packet)));
  }

  #sendReport(stream: ClientStream, skewMs: number, withBlock: boolean): void {
    const ntpUs = BigInt(Math.round((this.#now + skewMs + 1_000_000) * 1000));
    const ntpTime = ((ntpUs / 1_000_000n) << 32n) | (((ntpUs % 1_000_000n) << 32n) / 1_000_000n);
    const block = {
      ssrc: this.#sent.findLast(({ port }) => port === stream.peer.path.port)?.ssrc ?? 1,
      fractionLost: 12,
      cumulativeLost: -3,
      highestSequence: 70_000,
      jitterTicks: 99,
      lastReport: 0,
      delaySinceLastReport: 0,
    };
    this.#sendRtcp(stream.peer, {
      type: 'sender-report',
      ssrc: stream.ssrc,
      ntpTime,
      rtpTimestamp: stream.factory.timestamp,
      packetCount: 1,
      octetCount: 2,
      blocks: withBlock ? [block] : [],
    });
  }

  #sendFeedback(peer: ClientPeer, kind: 'pli' | 'fir' | 'nack', which: number): void {
    const sent = this.#sent.filter(({ port }) => port === peer.path.port).slice(-40);
    const one = sent[which % Math.max(1, sent.length)];
    if (one === undefined) return;
    const senderSsrc = 1;
    if (kind === 'pli') this.#sendRtcp(peer, { type: 'picture-loss', senderSsrc, mediaSsrc: one.ssrc });
    if (kind === 'fir') {
      this.#sendRtcp(peer, {
        type: 'full-intra-request',
        senderSsrc,
        requests: [{ ssrc: one.ssrc, sequence: which & 255 }],
      });
    }
    if (kind === 'nack') {
      const sequences = [one.sequence, (one.sequence + 1) & 0xffff, (one.sequence + 3) & 0xffff];
      this.#sendRtcp(peer, { type: 'nack', senderSsrc, mediaSsrc: one.ssrc, sequences });
    }
  }

  #sendRtcp(peer: ClientPeer, packet: RtcpPacket): void {
    this.#deliver(peer.path, peer.sender.protectRtcp(encodeRtcp([packet])));
  }

  #renewSsrc(stream: ClientStream): void {
    stream.ssrc = this.#nextSsrc++;
    stream.recent = [];
    const { payloadType } = stream.kind === 'audio' ? AUDIO : VIDEO;
    const sequence = this.#random.below(0x10000);
    const { ssrc, extensions } = stream;
    stream.factory = new RtpPacketFactory({ ssrc, payloadType, extensions, sequence });
  }

  #leaveAndReturn(index: number): void {
    // What is still to come out was sealed with the old keys.
    this.#note(this.#twins.tick(this.#now));
    this.#twins.tell((table) => table.removePeer(this.#peers[index]!.id));
    const peer = this.#addPeer(index);
    for (let i = this.#streams.length - 1; i >= 0; i--) {
      if (this.#streams[i]!.peer.id === peer.id) this.#streams.splice(i, 1);
    }
    this.#late.length = 0;
    this.#addStreams(peer);
    this.#addEgresses(peer);
  }

  #deliver(path: Path, bytes: Uint8Array): void {
    this.#note(this.#twins.receive(this.#now, path, bytes));
  }

  #note(sent: readonly SentMedia[]): void {
    this.#sent.push(...sent);
  }

  #stream(choice: number): ClientStream {
    return this.#streams[choice % this.#streams.length]!;
  }

  #streamOf(kind: 'audio' | 'video', choice: number): ClientStream {
    const streams = this.#streams.filter((stream) => stream.kind === kind);
    return streams[choice % streams.length]!;
  }
}
