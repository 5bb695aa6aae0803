import { describe, expect, test } from 'vitest';
import {
  type EncodingParameters,
  SCREEN_FRAME_RATE,
  setEncodings,
  VIDEO_BITRATES,
} from './sender-encodings.ts';

const layers = (): EncodingParameters[] => [{ rid: 'l' }, { rid: 'h' }];

describe('layers of a sender', () => {
  test('a camera is sent twice, small and whole, in whatever order the browser lists them', () => {
    for (const encodings of [layers(), layers().reverse()]) {
      setEncodings(encodings, 'camera');
      expect(encodings.find(({ rid }) => rid === 'l')).toEqual({
        rid: 'l',
        active: true,
        scaleResolutionDownBy: 2,
        maxBitrate: VIDEO_BITRATES.low,
      });
      expect(encodings.find(({ rid }) => rid === 'h')).toMatchObject({
        active: true,
        scaleResolutionDownBy: 1,
      });
    }
  });

  test('a screen is sent once, whole', () => {
    const encodings = layers();
    setEncodings(encodings, 'screen');
    expect(encodings).toMatchObject([
      { rid: 'l', active: false },
      { rid: 'h', active: true, scaleResolutionDownBy: 1, maxFramerate: SCREEN_FRAME_RATE },
    ]);
    setEncodings(encodings, 'camera');
    expect(encodings[0]!.active).toBe(true);
    expect(encodings[1]).not.toHaveProperty('maxFramerate');
  });

  test('one layer is the whole picture', () => {
    const encodings: EncodingParameters[] = [{}];
    setEncodings(encodings, 'camera');
    expect(encodings).toEqual([
      { active: true, scaleResolutionDownBy: 1, maxBitrate: VIDEO_BITRATES.single },
    ]);
  });
});
