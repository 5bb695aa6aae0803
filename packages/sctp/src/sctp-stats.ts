/** Counters of an association since its start. */
export interface SctpStats {
  packetsSent: number;
  packetsReceived: number;
  /** DATA chunks sent again, for whatever reason. */
  retransmittedChunks: number;
  /** Expiries of the retransmission timer. */
  timeouts: number;
  /** Times losses were seen in acknowledgements and repaired at once. */
  fastRecoveries: number;
  /** DATA chunks that had arrived before. */
  duplicateTsns: number;
  messagesSent: number;
  messagesReceived: number;
  /** Packets, chunks or messages that were not processed, by reason. */
  readonly dropped: Record<SctpDropReason, number>;
}

/** Why something received was not processed. */
export type SctpDropReason =
  /** Checksum, chunk lengths or chunk contents are wrong. */
  | 'malformed'
  | 'wrong-port'
  /** The verification tag is not the one demanded (RFC 9260 §8.5). */
  | 'wrong-tag'
  /** A chunk that the state does not allow. */
  | 'wrong-state'
  /** A chunk of a type that came up in the packet before and belongs there once. */
  | 'excess-chunk'
  /** An unknown chunk type (RFC 9260 §3.2). */
  | 'unknown-chunk'
  /** An INIT or INIT ACK with forbidden values. */
  | 'bad-init'
  /** A COOKIE ECHO that is not of our making, or too old. */
  | 'bad-cookie'
  /** A SACK for what was never sent. */
  | 'bad-sack'
  /** DATA for which there is no room, or too far ahead. */
  | 'no-room'
  /** DATA on a stream that was not agreed upon. */
  | 'bad-stream'
  /** A sequence number on a stream that was used before. */
  | 'bad-ssn'
  /** A message on a stream without a channel, or of unknown type. */
  | 'no-channel'
  /** A channel the peer may not open, or an unreadable DCEP message. */
  | 'bad-channel'
  /** Text that is not UTF-8. */
  | 'bad-text';

/** Counters at zero. */
export function createSctpStats(): SctpStats {
  return {
    packetsSent: 0,
    packetsReceived: 0,
    retransmittedChunks: 0,
    timeouts: 0,
    fastRecoveries: 0,
    duplicateTsns: 0,
    messagesSent: 0,
    messagesReceived: 0,
    dropped: {
      malformed: 0,
      'wrong-port': 0,
      'wrong-tag': 0,
      'wrong-state': 0,
      'excess-chunk': 0,
      'unknown-chunk': 0,
      'bad-init': 0,
      'bad-cookie': 0,
      'bad-sack': 0,
      'no-room': 0,
      'bad-stream': 0,
      'bad-ssn': 0,
      'no-channel': 0,
      'bad-channel': 0,
      'bad-text': 0,
    },
  };
}
