import type { ExtensionIds } from '@conclave/forwarder';
import {
  encodeAbsSendTime,
  encodeAudioLevel,
  encodeGenericFrameDescriptor,
  encodeRid,
  encodeRtpPacket,
  encodeTransportSequence,
  type HeaderExtension,
} from '@conclave/rtp';

/** What is the same for all packets of a stream. */
export interface RtpStreamShape {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly extensions?: ExtensionIds;
  readonly sequence?: number;
  readonly timestamp?: number;
}

/** What differs from packet to packet. */
export interface RtpPacketContent {
  /** Default: 20 bytes that differ from packet to packet. */
  readonly payload?: Uint8Array;
  /** Ticks since the packet before. Default 960. */
  readonly ticks?: number;
  /** Sequence numbers since the packet before; more than one leaves a gap. Default 1. */
  readonly step?: number;
  readonly marker?: boolean;
  readonly paddingLength?: number;
  readonly audioLevel?: { readonly voice: boolean; readonly level: number };
  readonly rid?: string;
  readonly mid?: string;
  readonly transportSequence?: number;
  readonly absSendTimeMs?: number;
  /** By generic frame descriptor: a key frame's first packet, another frame's, or a later one. */
  readonly frame?: 'key' | 'delta' | 'rest';
  /** Any other elements. */
  readonly more?: readonly HeaderExtension[];
  readonly extensionForm?: 'one-byte' | 'two-byte';
}

/** Makes the packets of one stream in order, unprotected, as a client would send them. */
export class RtpPacketFactory {
  readonly #shape: RtpStreamShape;
  #sequence: number;
  #timestamp: number;
  #count = 0;

  constructor(shape: RtpStreamShape) {
    this.#shape = shape;
    this.#sequence = (shape.sequence ?? 1000) - 1;
    this.#timestamp = shape.timestamp ?? 50_000;
  }

  /** Sequence number of the last packet made. */
  get sequence(): number {
    return this.#sequence;
  }

  /** RTP timestamp of the last packet made. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** The next packet's bytes. */
  next(content: RtpPacketContent = {}): Uint8Array {
    this.#sequence = (this.#sequence + (content.step ?? 1)) & 0xffff;
    if (this.#count > 0) this.#timestamp = (this.#timestamp + (content.ticks ?? 960)) >>> 0;
    this.#count++;
    const packet = {
      marker: content.marker ?? false,
      payloadType: this.#shape.payloadType,
      sequence: this.#sequence,
      timestamp: this.#timestamp,
      ssrc: this.#shape.ssrc,
      csrcs: [],
      extensions: [...this.#elements(content), ...(content.more ?? [])],
      payload: content.payload ?? new Uint8Array(20).fill(this.#count),
      paddingLength: content.paddingLength ?? 0,
    };
    return encodeRtpPacket(packet, content.extensionForm);
  }

  /** A packet of padding alone, as sent to probe for bandwidth. It takes a sequence number, and no time. */
  nextPadding(content: RtpPacketContent = {}): Uint8Array {
    return this.next({ ticks: 0, paddingLength: 200, ...content, payload: new Uint8Array() });
  }

  #elements(content: RtpPacketContent): HeaderExtension[] {
    const ids = this.#shape.extensions ?? {};
    const { audioLevel, rid, mid, transportSequence, absSendTimeMs, frame } = content;
    const elements: HeaderExtension[] = [];
    const add = (id: number | undefined, value: Uint8Array | undefined): void => {
      if (id !== undefined && value !== undefined) elements.push({ id, value });
    };
    add(ids.audioLevel, audioLevel && encodeAudioLevel(audioLevel));
    add(ids.absSendTime, absSendTimeMs === undefined ? undefined : encodeAbsSendTime(absSendTimeMs));
    add(ids.rid, rid === undefined ? undefined : encodeRid(rid));
    add(ids.mid, mid === undefined ? undefined : encodeRid(mid));
    add(
      ids.transportSequence,
      transportSequence === undefined ? undefined : encodeTransportSequence(transportSequence),
    );
    add(ids.genericFrameDescriptor, frame && this.#frameDescriptor(frame));
    return elements;
  }

  #frameDescriptor(frame: 'key' | 'delta' | 'rest'): Uint8Array {
    const start = { startOfFrame: frame !== 'rest', endOfFrame: true, temporalLayer: 0 };
    if (frame === 'rest') return encodeGenericFrameDescriptor(start);
    const numbered = { spatialLayers: 1, frameId: this.#count & 0xffff };
    return encodeGenericFrameDescriptor({
      ...start,
      frame:
        frame === 'key'
          ? { ...numbered, dependencies: [], width: 640, height: 360 }
          : { ...numbered, dependencies: [1] },
    });
  }
}
