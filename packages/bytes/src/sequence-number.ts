/** Signed distance from `from` to `to` on the 16-bit circle, in -32768..32767 (RFC 3550 §A.1 arithmetic). */
export function seqDelta16(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

/** Signed distance from `from` to `to` on the 32-bit circle (RFC 1982 serial arithmetic). */
export function serialDelta32(from: number, to: number): number {
  return (to - from) | 0;
}

/** `value + delta` on the 16-bit circle. */
export function seqAdd16(value: number, delta: number): number {
  return (value + delta) & 0xffff;
}

/** `value + delta` on the 32-bit circle. */
export function serialAdd32(value: number, delta: number): number {
  return (value + delta) >>> 0;
}
