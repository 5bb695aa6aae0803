/** Highest key index there is. */
export const MAX_KEY_INDEX = 0xffffffff;

/** Steps that a key is hashed forward at most to reach the index of a frame. Fewer lose a listener who slept; more cost work on forged indices. */
export const MAX_FORWARD_STEPS = 16;

const GENERATION_SIZE = 0x10000;

/** The upper half of an index: all keys of one generation are hashed from its first one. */
export function keyGeneration(index: number): number {
  return index >>> 16;
}

/**
 * Whether a key of index `from` may be hashed forward to `to`: 1 to 16 steps and never into the next generation, whose
 * first key is fresh and must not be one that a former member could compute.
 */
export function canHashForward(from: number, to: number): boolean {
  return to > from && to - from <= MAX_FORWARD_STEPS && keyGeneration(from) === keyGeneration(to);
}

/**
 * Index of a fresh key after `highest`: the start of the next generation, and of the one after it if the generator only
 * just became one, lest its key meets one of its predecessor's. Undefined when the indices are used
 * up, after 65535 fresh keys: then only another conference helps.
 */
export function freshKeyIndex(highest: number | undefined, justBecameGenerator: boolean): number | undefined {
  if (highest === undefined) return 0;
  const index = (keyGeneration(highest) + 1) * GENERATION_SIZE + (justBecameGenerator ? GENERATION_SIZE : 0);
  return index <= MAX_KEY_INDEX ? index : undefined;
}
