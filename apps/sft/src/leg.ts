import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { type NowMs, toBase64 } from '@conclave/bytes';
import type { LegId } from '@conclave/conference';
import type {
  BoundSocket,
  CreateDtlsSession,
  DtlsIdentity,
  ExtensionIds,
  Forwarder,
  Path,
  SrtpProfile,
} from '@conclave/forwarder';
import { formatCandidate, type IcePath, type IceTimings } from '@conclave/ice';
import { type Answer, buildOffer, type MediaDirection, maxVideoSlots, type Slot } from '@conclave/sdp';
import { PollTimer } from '@conclave/service';
import { PeerTransport, type StunRouter } from '@conclave/transport';
import { LegQuality } from './leg-quality.ts';
import { egressOf, ingressOf, MAX_SLOTS_PER_LEG, peerOf } from './rule-ids.ts';

/** What all legs of a server share. */
export interface LegSurroundings {
  readonly forwarder: Forwarder;
  readonly now: () => NowMs;
  readonly router: StunRouter<Leg>;
  readonly identity: DtlsIdentity;
  readonly createDtlsSession: CreateDtlsSession;
  readonly srtpProfiles: readonly SrtpProfile[];
  /** Sockets of each forwarding thread, with the address that clients are told. */
  readonly socketsOfThread: readonly (readonly (BoundSocket & { readonly advertised: string })[])[];
  /** What the session description's `a=tool` says. */
  readonly tool: string;
  readonly iceTimings?: Partial<IceTimings>;
}

/** What a leg is asked to offer. */
export interface LegOptions {
  readonly id: LegId;
  readonly thread: number;
  readonly audioSlots: number;
  readonly videoSlots: number;
  readonly simulcast: boolean;
}

/** What a leg tells the conference it belongs to. */
export interface LegListener {
  channelOpened(leg: Leg): void;
  message(leg: Leg, text: string): void;
  /** The transport is gone, for a reason fit for the log. Not called for a leg closed by its owner. */
  failed(leg: Leg, reason: string): void;
  /** The leg holds nothing any more. Comes once, after `close` as well as before `failed`. */
  released(leg: Leg): void;
  /** Something was thrown that must not be: a defect. The leg is in no state to go on. */
  faulted(error: unknown): void;
}

/** Largest data channel message: the participant list of more than a thousand people. */
export const MAX_MESSAGE_SIZE = 262_144;
/** Audio slots of every client that selects: enough that nobody waits for a place in a lively discussion. */
export const AUDIO_SLOTS = 5;
/** A receiver that misses packets about the first wrap of the sequence would guess the rollover wrong (RFC 3711 §3.3.1). */
const MAX_INITIAL_SEQUENCE = 0x8000;
const CHANNEL_LABEL = 'calling-3.0';

/**
 * One transport of one participant: its offer and answer, the ICE-DTLS-SCTP machine that runs over the forwarder's
 * sockets, and its rules in the flow table, all of which go with it.
 */
export class Leg {
  readonly id: LegId;
  readonly thread: number;
  readonly audioSlots: number;
  /** As many as were asked for, or as fit an offer that every client reads. */
  readonly videoSlots: number;
  /** The complete session description to offer. */
  readonly offer: string;
  /** SSRC of our feedback to the client, which no other stream of this leg has. */
  readonly feedbackSsrc: number;
  /** When the leg was made, for the join duration. */
  readonly createdAt: NowMs;
  /** What is known of the way to the client. */
  readonly quality: LegQuality = new LegQuality();
  readonly #surroundings: LegSurroundings;
  readonly #listener: LegListener;
  readonly #transport: PeerTransport;
  readonly #ufrag: string;
  readonly #tag: number;
  readonly #slots: readonly Slot[];
  readonly #timer: PollTimer;
  #answer: Answer | undefined;
  #channel: number | undefined;
  #sentAway = false;
  #closed = false;

  constructor(surroundings: LegSurroundings, options: LegOptions, listener: LegListener) {
    this.id = options.id;
    this.thread = options.thread;
    this.#surroundings = surroundings;
    this.#listener = listener;
    this.createdAt = surroundings.now();
    this.#timer = new PollTimer(surroundings.now, () => {
      try {
        this.#transport.handleTimeout(surroundings.now());
        this.#drain();
      } catch (error) {
        listener.faulted(error);
      }
    });

    const pwd = randomText(24);
    for (;;) {
      const ufrag = randomText(8);
      const tag = randomBytes(4).readUInt32BE();
      if (!surroundings.router.add(ufrag, tag, this)) continue;
      this.#ufrag = ufrag;
      this.#tag = tag;
      break;
    }
    this.#transport = new PeerTransport({
      iceRole: 'controlling',
      ufrag: this.#ufrag,
      pwd,
      transactionTag: this.#tag,
      random: (size) => randomBytes(size),
      hmacSha1: (key, data) => createHmac('sha1', key).update(data).digest(),
      createDtlsSession: surroundings.createDtlsSession,
      identity: surroundings.identity,
      srtpProfiles: surroundings.srtpProfiles,
      maxMessageSize: MAX_MESSAGE_SIZE,
      ...(surroundings.iceTimings ? { iceTimings: surroundings.iceTimings } : {}),
    });

    const candidates: string[] = [];
    for (const socket of surroundings.socketsOfThread[options.thread] ?? []) {
      const candidate = this.#transport.addLocalCandidate({
        socket: socket.socket,
        address: socket.address,
        advertisedAddress: socket.advertised,
        port: socket.port,
        transport: socket.transport,
        ...(socket.transport === 'tcp' ? { tcpType: 'passive' as const } : {}),
      });
      candidates.push(formatCandidate(candidate));
    }
    const slots = new SlotMaker();
    this.feedbackSsrc = slots.ssrc();
    const audioSlots = Array.from({ length: options.audioSlots }, () => slots.audio());
    const description = {
      sessionId: String(randomInt(1, 2 ** 47)),
      originAddress: surroundings.socketsOfThread[options.thread]?.[0]?.advertised ?? '0.0.0.0',
      tool: surroundings.tool,
      ufrag: this.#ufrag,
      pwd,
      fingerprint: surroundings.identity.fingerprint,
      candidates,
      mainVideoSsrc: this.feedbackSsrc,
      simulcast: options.simulcast,
      audioSlots,
      maxMessageSize: MAX_MESSAGE_SIZE,
    };
    const room = Math.min(
      maxVideoSlots(description, options.videoSlots),
      MAX_SLOTS_PER_LEG - audioSlots.length,
    );
    const videoSlots = Array.from({ length: room }, () => slots.video());
    this.audioSlots = audioSlots.length;
    this.videoSlots = videoSlots.length;
    this.#slots = [...audioSlots, ...videoSlots];
    this.offer = buildOffer({ ...description, videoSlots });
  }

  /** The answer, once it was given. */
  get answer(): Answer | undefined {
    return this.#answer;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Takes the answer: connecting begins, and the peer and its slots become known to the forwarder. */
  accept(answer: Answer): void {
    if (this.#answer || this.#closed) return;
    this.#answer = answer;
    const { forwarder } = this.#surroundings;
    const peer = peerOf(this.id);
    const extensions: ExtensionIds = { ...answer.audio.extensions, ...answer.video?.extensions };
    forwarder.addPeer(peer, {
      thread: this.thread,
      feedbackSsrc: this.feedbackSsrc,
      cname: toBase64(randomBytes(9)),
      extensions,
      transportFeedback: extensions.transportSequence !== undefined,
    });
    this.#slots.forEach((slot, index) => {
      const audio = index < this.audioSlots;
      const section = answer.slots.find((answered) => answered.mid === slot.mid);
      if (!section) return;
      const { rtxPayloadType } = section;
      forwarder.addEgress(egressOf(this.id, index), {
        peer,
        kind: audio ? 'audio' : 'video',
        ssrc: slot.ssrc,
        payloadType: section.payloadType,
        ...(slot.rtxSsrc !== undefined && rtxPayloadType !== undefined
          ? { rtxSsrc: slot.rtxSsrc, rtxPayloadType }
          : {}),
        clockRate: audio ? 48_000 : 90_000,
        extensions: section.extensions,
        initialSequence: randomInt(MAX_INITIAL_SEQUENCE),
        initialTimestamp: randomBytes(4).readUInt32BE(),
        initialRtxSequence: randomInt(MAX_INITIAL_SEQUENCE),
      });
    });
    this.#transport.openChannel(this.#surroundings.now(), CHANNEL_LABEL);
    this.#transport.setRemote(this.#surroundings.now(), {
      ufrag: answer.ice.ufrag,
      pwd: answer.ice.pwd,
      candidates: answer.ice.candidates,
      fingerprint: answer.fingerprint.value,
      setup: answer.setup,
      maxMessageSize: answer.data.maxMessageSize,
    });
    this.#drain();
  }

  /** Makes the leg's own streams known to the forwarder, under the names its receivers know it by. */
  addStreams(audioCsrc: number, videoCsrc: number): void {
    const answer = this.#answer;
    if (!answer || this.#closed) return;
    const { forwarder } = this.#surroundings;
    const peer = peerOf(this.id);
    if (sends(answer.audio.direction)) {
      forwarder.addIngress(ingressOf(this.id, 'audio'), {
        peer,
        kind: 'audio',
        ...(answer.audio.ssrc === undefined ? {} : { ssrc: answer.audio.ssrc }),
        payloadType: answer.audio.payloadType,
        clockRate: 48_000,
        csrc: audioCsrc,
        nack: false,
      });
    }
    const video = answer.video;
    if (!video || !sends(video.direction)) return;
    const common = {
      peer,
      kind: 'video' as const,
      payloadType: video.payloadType,
      ...(video.rtxPayloadType === undefined ? {} : { rtxPayloadType: video.rtxPayloadType }),
      clockRate: 90_000,
      csrc: videoCsrc,
      nack: video.feedback.nack,
    };
    if (video.rids.length > 0) {
      for (const [rid, stream] of [
        ['l', 'low'],
        ['h', 'high'],
      ] as const) {
        if (video.rids.includes(rid)) forwarder.addIngress(ingressOf(this.id, stream), { ...common, rid });
      }
      return;
    }
    const ssrc = video.ssrcs[0];
    const rtxSsrc = video.repairs.find((pair) => pair.ssrc === ssrc)?.rtxSsrc;
    forwarder.addIngress(ingressOf(this.id, 'single'), {
      ...common,
      ...(ssrc === undefined ? {} : { ssrc }),
      ...(rtxSsrc === undefined ? {} : { rtxSsrc }),
    });
  }

  /** Sends one message on the signalling channel. False when it is not open or the client does not keep up. */
  send(text: string): boolean {
    if (this.#channel === undefined || this.#closed) return false;
    const queued = this.#transport.send(this.#surroundings.now(), this.#channel, text);
    this.#drain();
    return queued;
  }

  /**
   * Closes the signalling channel, which makes the client ask for a new transport over HTTP; media goes on over this one
   * until the client or the conference ends it. False, and nothing happens, before the channel is open and a second time.
   */
  closeChannel(): boolean {
    if (this.#channel === undefined || this.#closed) return false;
    const channel = this.#channel;
    this.#channel = undefined;
    this.#sentAway = true;
    this.#transport.closeChannel(this.#surroundings.now(), channel);
    this.#drain();
    return true;
  }

  /** Takes a STUN message that names this leg; says whether it was authentic and of use. */
  handleStun(path: IcePath, bytes: Uint8Array): boolean {
    const isAccepted = this.#transport.handleStun(this.#surroundings.now(), path, bytes);
    this.#drain();
    return isAccepted;
  }

  /** Takes a DTLS datagram from one of this leg's validated paths. */
  handleDtls(path: IcePath, bytes: Uint8Array): void {
    this.#transport.handleDtls(this.#surroundings.now(), path, bytes);
    this.#drain();
  }

  /** A TCP connection ended; it need not be this leg's. */
  handlePathClosed(socket: number): void {
    this.#transport.handlePathClosed(this.#surroundings.now(), socket);
    this.#drain();
  }

  /** Ends the leg and forgets everything about it. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#transport.close(this.#surroundings.now());
    this.#sendTransmits();
    this.#release();
  }

  #release(): void {
    this.#closed = true;
    this.#timer.stop();
    this.#surroundings.router.delete(this.#ufrag, this.#tag);
    this.#surroundings.forwarder.removePeer(peerOf(this.id));
    this.#listener.released(this);
  }

  #sendTransmits(): void {
    const { forwarder } = this.#surroundings;
    for (let t = this.#transport.pollTransmit(); t; t = this.#transport.pollTransmit()) {
      forwarder.send(t.path as unknown as Path, t.bytes);
    }
  }

  #drain(): void {
    if (this.#closed) return;
    const { forwarder } = this.#surroundings;
    const peer = peerOf(this.id);
    for (
      let event = this.#transport.pollEvent();
      event && !this.#closed;
      event = this.#transport.pollEvent()
    ) {
      if (event.type === 'paths') {
        this.quality.transport = event.sendTo?.transport;
        forwarder.setPaths(
          peer,
          event.valid as unknown as readonly Path[],
          event.sendTo as unknown as Path | undefined,
        );
      } else if (event.type === 'round-trip') {
        forwarder.setRoundTrip(peer, event.roundTripMs);
      } else if (event.type === 'secured') {
        forwarder.setSrtpKeys(peer, event.srtpKeys);
      } else if (event.type === 'channel-open') {
        if (event.label !== CHANNEL_LABEL || this.#channel !== undefined || this.#sentAway) continue;
        this.#channel = event.streamId;
        this.#listener.channelOpened(this);
      } else if (event.type === 'message') {
        if (event.streamId === this.#channel && typeof event.data === 'string')
          this.#listener.message(this, event.data);
      } else if (event.type === 'channel-closed') {
        if (event.streamId === this.#channel) this.#fail('the client closed the signalling channel');
      } else {
        this.#fail(event.reason);
      }
    }
    this.#sendTransmits();
    if (!this.#closed) this.#timer.arm(this.#transport.pollTimeout());
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.#transport.close(this.#surroundings.now());
    this.#sendTransmits();
    this.#release();
    this.#listener.failed(this, reason);
  }
}

/** Whether a client with this direction in its answer sends in the section. */
export function sends(direction: MediaDirection): boolean {
  return direction === 'sendrecv' || direction === 'sendonly';
}

/** Random text of the characters that ICE allows in its credentials (RFC 8839 §5.4). */
function randomText(length: number): string {
  return toBase64(randomBytes(Math.ceil((length * 3) / 4) + 1)).slice(0, length);
}

/** Numbers the slots of one offer and draws their SSRCs, all different. */
class SlotMaker {
  readonly #ssrcs = new Set<number>([0]);
  #audio = 0;
  #video = 0;

  ssrc(): number {
    for (;;) {
      const ssrc = randomBytes(4).readUInt32BE();
      if (this.#ssrcs.has(ssrc)) continue;
      this.#ssrcs.add(ssrc);
      return ssrc;
    }
  }

  audio(): Slot {
    this.#audio += 1;
    return { mid: String(this.#audio), ssrc: this.ssrc(), id: `a${this.#audio}` };
  }

  video(): Slot {
    this.#video += 1;
    return {
      mid: String(this.#audio + this.#video),
      ssrc: this.ssrc(),
      rtxSsrc: this.ssrc(),
      id: `v${this.#video}`,
    };
  }
}
