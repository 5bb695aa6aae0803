import { createHash, webcrypto } from 'node:crypto';
import type { RandomBytes } from '@conclave/bytes';
import { MediaCrypto } from '../src/index.ts';

/** The platform's crypto; the annotation shows that it fits the package's own interface. */
export const crypto: MediaCrypto = new MediaCrypto(webcrypto.subtle);

/** Repeatable bytes: the hash of seed and count. */
export function seededRandom(seed: string): RandomBytes {
  let count = 0;
  return (size) => {
    const out = new Uint8Array(size);
    for (let at = 0; at < size; at += 32) {
      const block = createHash('sha256').update(`${seed} ${count++}`).digest();
      out.set(block.subarray(0, Math.min(32, size - at)), at);
    }
    return out;
  };
}
