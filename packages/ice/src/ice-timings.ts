/** Durations of an agent, all in milliseconds unless said otherwise. */
export interface IceTimings {
  /**
   * Time between the starts of two checks (Ta, RFC 8445 §14). Default 20. A lower value connects sooner
   * through many dead candidates; a higher one spares routers that choke on bursts.
   */
  readonly paceMs: number;
  /**
   * Wait before the first retransmission of a check. Default 150. A lower value recovers from loss sooner; a
   * higher one avoids needless packets on long round trips.
   */
  readonly rtoMs: number;
  /** Most that the wait doubles to. Default 1600. */
  readonly maxRtoMs: number;
  /**
   * Retransmissions of a check before its pair fails. Default 7, 7.6 seconds in all. A lower value gives up on
   * slow paths; a higher one sends more to addresses that may not want it.
   */
  readonly retransmits: number;
  /** How long an unanswered check on a TCP connection, which is never retransmitted, waits. Default 8000. */
  readonly tcpCheckMs: number;
  /**
   * How long the controlling agent waits after the first success for a better pair. Default 150. A lower value
   * settles sooner, perhaps on a worse path; media flows meanwhile in either case.
   */
  readonly nominationDelayMs: number;
  /** The same when TCP alone has succeeded. Default 600. A higher value gives UDP more time. */
  readonly tcpNominationDelayMs: number;
  /** Without a valid path for this long after `setRemote` the agent fails. Default 15000. */
  readonly failAfterMs: number;
  /** Mean time between consent checks; each is 20 % sooner to 20 % later (RFC 7675 §5.1). Default 5000. */
  readonly consentIntervalMs: number;
  /** Wait before a consent check is repeated; doubles. Default 300, or twice the round trip if that is more. */
  readonly consentRtoMs: number;
  /** Repetitions of one consent check. Default 3. */
  readonly consentRetransmits: number;
  /** Without a response for this long a path is not sent on any more (RFC 7675 §5.1). Default 30000. */
  readonly consentExpiryMs: number;
  /** Without a response on the selected path for this long the agent is `disconnected`. Default 8000. */
  readonly disconnectAfterMs: number;
  /** Mean time between checks of a valid path that is not selected. Default 10000. */
  readonly spareIntervalMs: number;
  /**
   * How long such a path is kept up after the peer's last check on it. Default 60000. A lower value sends
   * less; a higher one keeps more ways to fall back to.
   */
  readonly spareLifetimeMs: number;
  /** Silence on the selected path after which the other valid ones are asked whether they live. Default 500. */
  readonly probeAfterMs: number;
  /**
   * Silence on the selected path after which one that lives takes over. Default 1500. A lower value follows a
   * peer sooner; a higher one does not leave a path for a burst of loss.
   */
  readonly followAfterMs: number;
  /**
   * When the peer checks another path and has not checked the selected one for this long, the other takes over
   * although the selected one answers. Default 8000, three times the interval of browsers.
   */
  readonly peerSilentMs: number;
}

/** The defaults named in {@link IceTimings}. */
export const defaultIceTimings: IceTimings = {
  paceMs: 20,
  rtoMs: 150,
  maxRtoMs: 1600,
  retransmits: 7,
  tcpCheckMs: 8000,
  nominationDelayMs: 150,
  tcpNominationDelayMs: 600,
  failAfterMs: 15_000,
  consentIntervalMs: 5000,
  consentRtoMs: 300,
  consentRetransmits: 3,
  consentExpiryMs: 30_000,
  disconnectAfterMs: 8000,
  spareIntervalMs: 10_000,
  spareLifetimeMs: 60_000,
  probeAfterMs: 500,
  followAfterMs: 1500,
  peerSilentMs: 8000,
};

/** Bounds of an agent's memory and of what a peer can make it send. */
export interface IceLimits {
  /** Remote candidates that are paired; the first so many usable ones. Default 50. */
  readonly remoteCandidates: number;
  /** Candidate pairs, learned ones included. Default 100 (RFC 8445 §6.1.2.5). */
  readonly pairs: number;
  /** Valid paths at a time; beyond, the longest silent one goes. Default 16. */
  readonly validPaths: number;
  /** Paths remembered whose checks came before `setRemote`. Default 16. */
  readonly earlyChecks: number;
}

/** The defaults named in {@link IceLimits}. */
export const defaultIceLimits: IceLimits = {
  remoteCandidates: 50,
  pairs: 100,
  validPaths: 16,
  earlyChecks: 16,
};
