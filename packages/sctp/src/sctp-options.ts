import type { RandomBytes } from '@conclave/bytes';

/** Durations and counts of the protocol (RFC 9260 §16). */
export interface SctpTimings {
  /** First retransmission timeout, before a round trip is known. Lower: faster start over loss, more repeats. */
  readonly rtoInitialMs: number;
  /**
   * Shortest retransmission timeout. Lower: losses at the end of a burst are repaired sooner; higher: fewer needless
   * repeats over paths whose delay varies.
   */
  readonly rtoMinMs: number;
  /** Longest retransmission timeout. Lower: sooner back after an outage; higher: less traffic during one. */
  readonly rtoMaxMs: number;
  /**
   * Longest wait with an acknowledgement for one packet, at most 500 (RFC 9260 §6.2). Lower: the peer learns of
   * arrivals sooner; higher: fewer packets.
   */
  readonly delayedAckMs: number;
  /** Time between heartbeats of an idle association. Lower: a dead peer is found sooner; higher: less traffic. */
  readonly heartbeatIntervalMs: number;
  /** How long our cookie may be echoed. Lower: less time for replays; higher: slower paths can connect. */
  readonly cookieLifetimeMs: number;
  /** Time a graceful shutdown may take before it becomes an ABORT. Lower: resources come back sooner. */
  readonly shutdownTimeoutMs: number;
  /** Unanswered INITs or COOKIE ECHOs after which the peer counts as gone. Lower: failure is known sooner. */
  readonly maxInitRetransmissions: number;
  /** Timeouts in a row after which the peer counts as gone. Lower: failure is known sooner; higher: outages last. */
  readonly maxRetransmissions: number;
}

/** What holds unless the options say otherwise. */
export const defaultSctpTimings: SctpTimings = {
  rtoInitialMs: 500,
  rtoMinMs: 200,
  rtoMaxMs: 10_000,
  delayedAckMs: 200,
  heartbeatIntervalMs: 30_000,
  cookieLifetimeMs: 60_000,
  shutdownTimeoutMs: 30_000,
  maxInitRetransmissions: 8,
  maxRetransmissions: 10,
};

/** Bounds on what one association may hold. */
export interface SctpLimits {
  /** Largest SCTP packet sent, in bytes, at least 512. Higher: fewer packets; too high: IP fragments or loss. */
  readonly mtu: number;
  /** Largest incoming message in bytes; a larger one ends the association. Higher: more memory for one peer. */
  readonly maxMessageSize: number;
  /** Largest outgoing message in bytes: what the peer's `a=max-message-size` allows. */
  readonly maxOutgoingMessageSize: number;
  /** Bytes of messages not yet acknowledged, 128 added for each; beyond it `send` refuses. */
  readonly maxBufferedBytes: number;
  /**
   * Receive window: bytes held for reassembly or until polled, 128 added for each piece. Raised to twice
   * `maxMessageSize` if lower. Higher: faster over long paths; lower: less memory for one peer.
   */
  readonly receiveWindow: number;
  /** How far ahead of the first missing TSN chunks are kept. Higher: more memory, fewer repeats after loss. */
  readonly maxOutOfOrderChunks: number;
  /** Data channels at the same time, those being closed included. */
  readonly maxChannels: number;
  /** Streams with sequence numbers under way; more end the association. */
  readonly maxInboundStreams: number;
  /** Packets with data sent in answer to one input. Lower: smoother; higher: faster after idle times. */
  readonly maxBurstPackets: number;
}

/** What holds unless the options say otherwise. */
export const defaultSctpLimits: SctpLimits = {
  mtu: 1150,
  maxMessageSize: 262_144,
  maxOutgoingMessageSize: 262_144,
  maxBufferedBytes: 1_048_576,
  receiveWindow: 1_048_576,
  maxOutOfOrderChunks: 4096,
  maxChannels: 16,
  maxInboundStreams: 1024,
  maxBurstPackets: 8,
};

/** What an association is made from. */
export interface SctpOptions extends Partial<SctpLimits> {
  /** Our side of the DTLS connection beneath: the client opens even streams, the server odd ones (RFC 8832 §6). */
  readonly role: 'client' | 'server';
  /** Source of tags, sequence numbers and cookies. */
  readonly random: RandomBytes;
  /** Default 5000. */
  readonly localPort?: number;
  /** Default 5000. */
  readonly remotePort?: number;
  /** Deviations from {@link defaultSctpTimings}. */
  readonly timings?: Partial<SctpTimings>;
}
