/**
 * A value of type `T` that only its own maker can produce: ids of different things cannot be mixed up,
 * although at run time they are plain numbers or strings.
 */
export type Branded<T, Tag extends string> = T & { readonly __brand: Tag };

/** Milliseconds on a monotonic clock. Pure cores receive it as an argument and never read a clock. */
export type NowMs = number;

/** Fills and returns `size` fresh bytes from a cryptographically secure source. */
export type RandomBytes = (size: number) => Uint8Array;

/** A keyed hash: `(key, data)` to the tag's bytes. Adapters bind it to the platform's crypto. */
export type Hmac = (key: Uint8Array, data: Uint8Array) => Uint8Array;

/** An unkeyed hash of the data. */
export type Hash = (data: Uint8Array) => Uint8Array;

/** A random 32-bit unsigned integer. */
export function randomUint32(random: RandomBytes): number {
  const b = random(4);
  return new DataView(b.buffer, b.byteOffset, 4).getUint32(0);
}
