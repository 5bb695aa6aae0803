/** Times of a conference's client, in milliseconds. */
export interface SessionTimings {
  /** From the first request to the open channel. Lower gives up on slow networks; higher lets people wait for nothing. */
  readonly joinTimeoutMs: number;
  /** From the answer to the open channel. The server gives up after a similar time. */
  readonly mediaTimeoutMs: number;
  /** Between signs of life. Lower notices a dead connection earlier and costs messages. */
  readonly pingMs: number;
  /** Signs of life without an answer before the connection is made anew. */
  readonly unansweredPings: number;
  /** From the open channel to the first list of participants, else the connection is made anew. */
  readonly rosterTimeoutMs: number;
  /** Before the first repeated attempt to reconnect; doubled for each further one. */
  readonly reconnectDelayMs: number;
  /**
   * How long a server has for an offer when a lost connection is made anew, before the next one is asked. Lower finds another
   * server sooner; higher is kinder to a slow one.
   */
  readonly otherServerMs: number;
  /** Longest pause between two attempts. */
  readonly maxReconnectDelayMs: number;
  /** From losing the connection to giving up. Higher bridges longer gaps; lower tells people earlier. */
  readonly reconnectTimeoutMs: number;
  /** How long to wait for the answer to a goodbye. */
  readonly leaveTimeoutMs: number;
  /** Between looks at loudness. Lower follows speakers quicker and costs work. */
  readonly speakersMs: number;
  /** Between looks at the connection's figures. Lower follows quicker; the browser's own figures come once a second. */
  readonly statisticsMs: number;
  /** Wishes for pictures that come within this time go out as one. */
  readonly wishesMs: number;
}

/** What is used unless tests say otherwise. Pings and limits are those of Wire's clients. */
export const SESSION_TIMINGS: SessionTimings = {
  joinTimeoutMs: 15_000,
  mediaTimeoutMs: 10_000,
  pingMs: 5_000,
  unansweredPings: 4,
  rosterTimeoutMs: 10_000,
  reconnectDelayMs: 500,
  otherServerMs: 3_000,
  maxReconnectDelayMs: 5_000,
  reconnectTimeoutMs: 60_000,
  leaveTimeoutMs: 1_000,
  speakersMs: 250,
  statisticsMs: 2_000,
  wishesMs: 50,
};
