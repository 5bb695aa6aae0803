/** Why a packet, or something in it, was not acted upon. */
export type IceRejectReason =
  /** The agent has failed or was given no room. */
  | 'closed'
  /** Not STUN, or damaged STUN. */
  | 'malformed'
  /** No FINGERPRINT in a request (RFC 8445 §7.1). */
  | 'missing-fingerprint'
  /** Not a Binding request or response. */
  | 'unexpected-method'
  /** USERNAME absent or not ours, or the sender's part not the peer's. */
  | 'wrong-username'
  | 'missing-integrity'
  | 'bad-integrity'
  /** Comprehension-required attributes nobody here comprehends: a request gets a 420. */
  | 'unknown-attribute'
  /** An attribute that is required is absent or malformed: a request gets a 400. */
  | 'bad-attribute'
  /** A response to nothing we asked, or to what is answered already. */
  | 'unknown-transaction'
  /** A response from another address than the request went to. */
  | 'wrong-source'
  /** Came in on a socket for which there is no local candidate. */
  | 'no-local-candidate'
  /** Answered, but not remembered: the bound is reached. */
  | 'path-limit'
  /** A remote candidate that is never checked: other transport or component, host name, unusable address. */
  | 'skipped-candidate'
  /** `setRemote` again with other credentials. */
  | 'credentials-changed';

/** Counters of one agent. */
export interface IceStats {
  /** Success responses sent. */
  readonly requestsAnswered: number;
  /** Success responses accepted. */
  readonly responsesAccepted: number;
  /** Requests sent, retransmissions apart. */
  readonly checksSent: number;
  readonly retransmits: number;
  /** Conflicts seen and settled, by either side. */
  readonly roleConflicts: number;
  /** Packets that were dropped unsent because the owner did not fetch them. */
  readonly transmitsDropped: number;
  readonly rejected: Readonly<Partial<Record<IceRejectReason, number>>>;
}
