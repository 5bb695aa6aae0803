/** Chunk types of RFC 9260 §3.2, RFC 6525 §3.1 and RFC 3758 §3.2 that this package knows. */
export const ChunkType = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
  reconfig: 130,
  forwardTsn: 192,
} as const;

/**
 * The T bit of ABORT and SHUTDOWN COMPLETE: the sender knew no verification tag of its own to expect and reflected
 * the one it had received (RFC 9260 §8.5.1).
 */
export const TAG_REFLECTED_FLAG = 0x01;

/** What an unknown chunk or parameter demands by the two highest bits of its type (RFC 9260 §3.2, §3.2.1). */
export interface UnknownTypeAction {
  /** Whether what follows in the same packet (or chunk) is still to be processed. */
  readonly proceed: boolean;
  /** Whether the sender wants to hear of it. */
  readonly report: boolean;
}

/** The action for the two highest bits (0..3) of an unknown type. */
export function unknownTypeAction(highBits: number): UnknownTypeAction {
  return { proceed: (highBits & 2) !== 0, report: (highBits & 1) !== 0 };
}
