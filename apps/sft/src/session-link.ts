import { randomBytes, randomInt } from 'node:crypto';
import type { ConferenceEffect, ExportId, LegId, LinkId, Sister } from '@conclave/conference';
import type { LinkStream } from '@conclave/econn';
import type { EgressId, Forwarder, PeerId } from '@conclave/forwarder';
import { type FederationLink, LINK_EXTENSIONS, LINK_PAYLOAD_TYPES } from './federation-link.ts';
import { egressOf, ingressOf, LEG_STREAMS, MAX_SLOTS_PER_LEG } from './rule-ids.ts';

/** A receiver that misses packets about the first wrap of the sequence would guess the rollover wrong (RFC 3711 §3.3.1). */
const MAX_INITIAL_SEQUENCE = 0x8000;

type Effect<Type extends ConferenceEffect['type']> = Extract<ConferenceEffect, { type: Type }>;

/** What a conference's use of a link is made of. */
export interface SessionLinkOptions {
  readonly id: LinkId;
  readonly link: FederationLink;
  readonly sister: Sister | undefined;
  readonly forwarder: Forwarder;
  /** Unused numbers, for ids of streams. */
  readonly drawLeg: () => LegId;
}

/**
 * One conference's use of a link: its streams that come and go over it, as rules of the flow table. All rules of it go
 * with {@link SessionLink.close}.
 */
export class SessionLink {
  readonly id: LinkId;
  readonly link: FederationLink;
  /** What the other server is, if the conference is being moved between the two. */
  readonly sister: Sister | undefined;
  readonly #forwarder: Forwarder;
  readonly #drawLeg: () => LegId;
  readonly #imports = new Set<LegId>();
  readonly #exports = new Map<ExportId, { readonly egress: EgressId; readonly stream: LinkStream }>();
  /** The numbers from which ids of exports are taken, and how many of them are. */
  #block: LegId | undefined;
  #taken = 0;

  constructor(options: SessionLinkOptions) {
    this.id = options.id;
    this.link = options.link;
    this.sister = options.sister;
    this.#forwarder = options.forwarder;
    this.#drawLeg = options.drawLeg;
  }

  /** Takes in the streams of a participant at the other server. */
  importLeg({ leg, streams, audioCsrc, videoCsrc }: Effect<'import-leg'>): void {
    this.#imports.add(leg);
    const peer: PeerId = this.link.peer;
    for (const { stream, ssrc, rtxSsrc } of streams) {
      const isAudio = stream === 'audio';
      this.#forwarder.addIngress(ingressOf(leg, stream), {
        peer,
        kind: isAudio ? 'audio' : 'video',
        ssrc,
        ...(rtxSsrc === undefined ? {} : { rtxSsrc, rtxPayloadType: LINK_PAYLOAD_TYPES.rtx }),
        payloadType: isAudio ? LINK_PAYLOAD_TYPES.audio : LINK_PAYLOAD_TYPES.video,
        clockRate: isAudio ? 48_000 : 90_000,
        csrc: isAudio ? audioCsrc : videoCsrc,
        nack: !isAudio,
      });
    }
  }

  /** Whether the leg came in over this link. */
  has(leg: LegId): boolean {
    return this.#imports.has(leg);
  }

  /** The participant has left, or cannot be reached. */
  dropLeg(leg: LegId): void {
    if (!this.#imports.delete(leg)) return;
    for (const stream of LEG_STREAMS) this.#forwarder.removeIngress(ingressOf(leg, stream));
  }

  /** Makes room for a stream that may go to the other server. */
  addExport({ export: id, stream }: Effect<'add-export'>): void {
    const egress = this.#nextEgress();
    const isAudio = stream.stream === 'audio';
    this.#exports.set(id, { egress, stream });
    this.#forwarder.addEgress(egress, {
      peer: this.link.peer,
      kind: isAudio ? 'audio' : 'video',
      ssrc: stream.ssrc,
      payloadType: isAudio ? LINK_PAYLOAD_TYPES.audio : LINK_PAYLOAD_TYPES.video,
      ...(stream.rtxSsrc === undefined
        ? {}
        : { rtxSsrc: stream.rtxSsrc, rtxPayloadType: LINK_PAYLOAD_TYPES.rtx }),
      clockRate: isAudio ? 48_000 : 90_000,
      extensions: LINK_EXTENSIONS,
      initialSequence: randomInt(MAX_INITIAL_SEQUENCE),
      initialTimestamp: randomBytes(4).readUInt32BE(),
      initialRtxSequence: randomInt(MAX_INITIAL_SEQUENCE),
    });
  }

  /** Lets a stream flow, or stops it. */
  setExport({ export: id, source }: Effect<'set-export'>): void {
    const known = this.#exports.get(id);
    if (known === undefined) return;
    // The other server switches its receivers at key frames, and asks for one when it needs it.
    this.#forwarder.setSource(known.egress, source && ingressOf(source.leg, source.layer), { at: 'now' });
  }

  removeExport(id: ExportId): void {
    const known = this.#exports.get(id);
    if (known === undefined) return;
    this.#exports.delete(id);
    this.#forwarder.removeEgress(known.egress);
    this.link.releaseSsrc(known.stream.ssrc);
    this.link.releaseSsrc(known.stream.rtxSsrc);
  }

  /** Takes all rules back. */
  close(): void {
    for (const id of [...this.#exports.keys()]) this.removeExport(id);
    for (const leg of [...this.#imports]) this.dropLeg(leg);
  }

  #nextEgress(): EgressId {
    if (this.#block === undefined || this.#taken === MAX_SLOTS_PER_LEG) {
      this.#block = this.#drawLeg();
      this.#taken = 0;
    }
    return egressOf(this.#block, this.#taken++);
  }
}
