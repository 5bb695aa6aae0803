import { concatBytes, FormatError } from '@conclave/bytes';
import type { RtpPacket } from '@conclave/rtp';
import type { StreamItem } from './rtp-receive-stream.ts';
import { parseVp8Descriptor } from './vp8-descriptor.ts';

/** A frame as its sender sealed it. */
export interface SealedFrame {
  readonly type: 'frame';
  /** Ticks of the stream's clock, on a line of the slot's own. */
  readonly timestampTicks: number;
  readonly data: Uint8Array;
  /** Contributing source of its packets: stands for the participant. */
  readonly source: number | undefined;
  /** Value of the audio level extension of the packet, if there was one. */
  readonly audioLevel: Uint8Array | undefined;
}

/** Packets, and with them parts of frames or whole frames, that did not come. */
export interface LostMedia {
  readonly type: 'lost';
  readonly packets: number;
  /** Contributing source of the packet before, if any: most likely theirs. */
  readonly source: number | undefined;
}

/** What comes out of a {@link FrameAssembler}. */
export type AssembledMedia = SealedFrame | LostMedia;

/** Longest frame that is put together, in bytes; beyond it is lost. A key frame of a large screen has some 300 kB. */
export const MAX_FRAME_BYTES: number = 4 * 1024 * 1024;

/** Puts the packets of one stream, which come in order, together to frames: audio one packet each, VP8 by RFC 7741. */
export class FrameAssembler {
  readonly #kind: 'audio' | 'video';
  readonly #audioLevelId: number | undefined;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  #timestampTicks = 0;
  #source: number | undefined;
  #malformed = 0;

  constructor(kind: 'audio' | 'video', audioLevelId?: number) {
    this.#kind = kind;
    this.#audioLevelId = audioLevelId;
  }

  /** Packets that were not of the payload format. */
  get malformed(): number {
    return this.#malformed;
  }

  /** What becomes whole, or is known to be lost, with this item. */
  take(item: StreamItem): AssembledMedia[] {
    if (item.type === 'lost') {
      return [this.#lost(item.packets + this.#drop())];
    }
    const { packet } = item;
    // Padding is no media, and is no gap either.
    if (packet.payload.length === 0) return [];
    if (this.#kind === 'audio') {
      this.#source = packet.csrcs[0];
      return [this.#frame(packet, packet.payload)];
    }
    return this.#takeVideo(packet);
  }

  #takeVideo(packet: RtpPacket): AssembledMedia[] {
    const out: AssembledMedia[] = [];
    let starts: boolean;
    let part: Uint8Array;
    try {
      const descriptor = parseVp8Descriptor(packet.payload);
      starts = descriptor.startOfPartition && descriptor.partition === 0;
      part = packet.payload.subarray(descriptor.length);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#malformed++;
      return [this.#lost(1 + this.#drop())];
    }
    if (starts && this.#parts.length > 0) {
      // The slot went over to another sender in the middle of a frame.
      out.push(this.#lost(this.#drop()));
    }
    const source = packet.csrcs[0];
    const continues =
      this.#parts.length > 0 && packet.timestamp === this.#timestampTicks && source === this.#source;
    this.#source = source;
    // The rest of a frame whose beginning was lost, which is reported already.
    if (!starts && !continues) {
      const dropped = this.#drop();
      if (dropped > 0) out.push(this.#lost(dropped));
      return out;
    }
    this.#parts.push(part);
    this.#bytes += part.length;
    this.#timestampTicks = packet.timestamp;
    if (this.#bytes > MAX_FRAME_BYTES) out.push(this.#lost(this.#drop()));
    else if (packet.marker) {
      out.push(this.#frame(packet, this.#parts.length === 1 ? part : concatBytes(...this.#parts)));
      this.#drop();
    }
    return out;
  }

  #frame(packet: RtpPacket, data: Uint8Array): SealedFrame {
    const level = packet.extensions.find(({ id }) => id === this.#audioLevelId)?.value;
    return {
      type: 'frame',
      timestampTicks: packet.timestamp,
      data,
      source: packet.csrcs[0],
      audioLevel: this.#kind === 'audio' ? level : undefined,
    };
  }

  #lost(packets: number): LostMedia {
    return { type: 'lost', packets, source: this.#source };
  }

  /** Forgets the parts at hand; returns how many they were. */
  #drop(): number {
    const parts = this.#parts.length;
    this.#parts.length = 0;
    this.#bytes = 0;
    return parts;
  }
}
