import type { ParticipantId } from '@conclave/client';
import type { PictureSize } from './vp8-descriptor.ts';

/** A packet of Opus to be sent as the voice. */
export interface OutgoingAudioFrame {
  /** One packet of Opus (RFC 6716), up to 120 ms. Copied. */
  readonly data: Uint8Array;
  /**
   * Its moment in ticks of 1/48000 s on a line of the application's own, modulo 2^32. Default: it follows the packet before, or,
   * after a pause, that one by as much as the clock says.
   */
  readonly timestampTicks?: number | undefined;
  /**
   * Loudness in −dBov, 0 (loudest) to 127 (silence): servers choose by it who is heard. Default 30, the level of
   * speech; of the one or two bytes that Opus makes of silence 127.
   */
  readonly levelDbov?: number | undefined;
}

/** A frame of VP8 to be sent as the picture. */
export interface OutgoingVideoFrame {
  /** One whole frame (RFC 6386), at most 4 MiB. Copied. Key frames are known by their first bit. */
  readonly data: Uint8Array;
  /** Its moment in ticks of 1/90000 s on a line of the application's own, modulo 2^32. Default: now. */
  readonly timestampTicks?: number | undefined;
}

/** A packet of Opus that arrived and was opened. */
export interface ReceivedAudioFrame {
  readonly from: ParticipantId;
  readonly data: Uint8Array;
  /** Ticks of 1/48000 s on a line of the slot's own. */
  readonly timestampTicks: number;
  /** Loudness in −dBov as the sender says, 0 (loudest) to 127; undefined if it does not. */
  readonly levelDbov: number | undefined;
  /** Which of the server's audio slots it came in, from 0. Of one slot at a time one participant is heard. */
  readonly slot: number;
}

/** A frame of VP8 that arrived and was opened. */
export interface ReceivedVideoFrame {
  readonly from: ParticipantId;
  readonly data: Uint8Array;
  /** Ticks of 1/90000 s on a line of the slot's own. */
  readonly timestampTicks: number;
  readonly isKeyFrame: boolean;
  /** Of a key frame. */
  readonly size: PictureSize | undefined;
  /** Whether a decoder can use it: false from a loss on until the next key frame, which is asked for by itself. */
  readonly decodable: boolean;
  /** Which of the server's video slots it came in, from 0: the place of the wish. */
  readonly slot: number;
}

/** Packets that did not come, also not when asked for again. */
export interface FrameLoss {
  readonly kind: 'audio' | 'video';
  readonly slot: number;
  readonly packets: number;
  /** Whose packets came before, and most likely these: undefined if none had. */
  readonly from: ParticipantId | undefined;
}

/** What a bot may listen to. Calls come in the order of arrival for each slot. What a listener throws is an uncaught exception. */
export interface FrameListener {
  readonly audio?: (frame: ReceivedAudioFrame) => void;
  readonly video?: (frame: ReceivedVideoFrame) => void;
  readonly lost?: (loss: FrameLoss) => void;
  /** Somebody begins to watch or has lost packets: the next frame sent should be a key frame. */
  readonly keyFrameWanted?: () => void;
}
