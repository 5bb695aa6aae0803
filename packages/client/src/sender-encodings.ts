/** What a picture may cost, in bit/s. Lower is softer, higher needs better networks. */
export const VIDEO_BITRATES = {
  /** The low layer of a camera, half its width and height. */
  low: 500_000,
  /** The high layer of a camera. */
  high: 2_500_000,
  /** A camera on a server that wants one layer. */
  single: 1_500_000,
  /** A screen, which is sent in one layer. */
  screen: 2_500_000,
} as const;

/** Pictures of a screen in a second at most: text needs sharpness more than motion. */
export const SCREEN_FRAME_RATE = 15;

/** The part of an encoding's parameters that is set. */
export interface EncodingParameters {
  rid?: string;
  active?: boolean;
  maxBitrate?: number;
  maxFramerate?: number;
  scaleResolutionDownBy?: number;
}

/** Sets the layers of a sender in place. The low one has rid `l`; where there is but one it is the whole picture. */
export function setEncodings(encodings: readonly EncodingParameters[], source: 'camera' | 'screen'): void {
  for (const encoding of encodings) {
    const low = encodings.length > 1 && encoding.rid === 'l';
    encoding.active = source === 'camera' || !low;
    encoding.scaleResolutionDownBy = low ? 2 : 1;
    if (source === 'screen') encoding.maxBitrate = VIDEO_BITRATES.screen;
    else if (encodings.length === 1) encoding.maxBitrate = VIDEO_BITRATES.single;
    else encoding.maxBitrate = low ? VIDEO_BITRATES.low : VIDEO_BITRATES.high;
    if (source === 'screen') encoding.maxFramerate = SCREEN_FRAME_RATE;
    else delete encoding.maxFramerate;
  }
}
