import type { ConversationHash, IceServer, Props, UserHash } from '@conclave/econn';

/** Who calls: the identity that makes two requests belong to the same call. */
export interface CallerId {
  /** Conversation from the request's path. Path-safe, at most 127 characters. */
  readonly conversation: ConversationHash;
  /** Hash of the user, from the message's `src_userid`. At most 127 characters. */
  readonly userId: UserHash;
  /** Client of that user, from `src_clientid`; Wire clients always send `_`. At most 127 characters. */
  readonly clientId: string;
}

/** A call that passed every check of admission and now needs a transport and an offer. */
export interface ConnectRequest extends CallerId {
  /**
   * The request asked for a re-offer of a running call. For a caller that is not known the answer is an
   * UPDATE nevertheless, and its conference counts as started elsewhere: so a call survives a restarted server.
   */
  readonly update: boolean;
  /** The caller's client takes simulcast in the offer; decided from its `toolver`. */
  readonly simulcast: boolean;
  /** Audio of a few selected speakers in slots, instead of nothing. All current clients say true. */
  readonly selectiveAudio: boolean;
  /** Video in slots that the client fills by CONFSTREAMS. */
  readonly selectiveVideo: boolean;
  /** Wanted video slots, already limited to what fits the offer size that the caller's client reads. */
  readonly videoSlots: number;
  /** Another server's conference to join, when the caller's conversation lives there (federation). */
  readonly anchor: { readonly url: string; readonly tuple: string | undefined } | undefined;
  /** For `--turn-discovery`; at most 16 entries, empty when the client sent none. */
  readonly iceServers: readonly IceServer[];
  /** The address that the request came from, canonical text; behind a trusted proxy the one it names. */
  readonly remoteAddress: string;
  /** Another server passed the request on, perhaps one of several that the client asked at once. */
  readonly passedOn: boolean;
}

/** Why the host did not make an offer. */
export type ConnectRefusal =
  /** No room: the conference, the server or its workers are full. */
  | 'full'
  /** The server began to drain between admission and now. */
  | 'draining'
  /** The same caller connected again while this request waited, and that request has the call now. */
  | 'superseded'
  /** The federation's TURN server refused or broke: HTTP 500. */
  | 'federation-failed'
  /** The federation's TURN server did not answer in time: HTTP 501. */
  | 'federation-silent'
  /** Anything else: HTTP 500. The host has logged the cause. */
  | 'internal';

/** What {@link ConferenceHost.connect} found. */
export type ConnectOutcome =
  | {
      readonly kind: 'offer';
      /** The complete offer, at most 32,768 bytes. */
      readonly sdp: string;
      /** The message is an UPDATE, else a SETUP. */
      readonly update: boolean;
      /** The server's own URL goes into the message: for all but a re-offer to a running call. */
      readonly withUrl: boolean;
      /** The message names its receiver (`dest_userid`, `dest_clientid`): for a re-offer to a running call. */
      readonly withDestination: boolean;
      /** `address:port/cid` of the conference's place at the federation's TURN server. */
      readonly tuple?: string;
    }
  | { readonly kind: 'refused'; readonly reason: ConnectRefusal };

/** The answer of a caller to the offer it was given. */
export interface AnswerRequest extends CallerId {
  /** Whether it came as an UPDATE or a SETUP; a client uses the type of the offer. */
  readonly type: 'SETUP' | 'UPDATE';
  /** Untrusted, at most 32,768 characters. */
  readonly sdp: string;
  /** First properties of the caller (`muted`, `videosend`, ...). Bounded by the codec. */
  readonly props: Props;
}

/** What {@link ConferenceHost.answer} did. `detail` is for the log alone and never sent. */
export type AnswerOutcome =
  | { readonly kind: 'accepted' }
  | {
      readonly kind: 'rejected';
      /** Nobody waits for an answer (none offered, or too late); or the answer cannot be used. */
      readonly reason: 'unexpected' | 'unusable' | 'internal';
      readonly detail: string;
    };

/** How much a host carries now and has carried. Only clients count as participants, not links to servers. */
export interface ConferenceUsage {
  /** Conferences that exist now. */
  readonly conferences: number;
  /** Clients in all conferences now, those still connecting included. */
  readonly participants: number;
  /** Conferences ever created. */
  readonly conferencesTotal: number;
  /** Clients that ever joined. A reconnect of a known caller is not a new one. */
  readonly participantsTotal: number;
}

/**
 * All conferences of this server, as the signalling edge sees them. Signalling decides who may come in; the
 * host makes transports and conferences and owns everything about them afterwards.
 */
export interface ConferenceHost {
  /** No new callers are taken; those inside go on. */
  readonly draining: boolean;

  /** Counts at this moment. Read on every new call and every scrape of the metrics: has to be cheap. */
  readonly usage: ConferenceUsage;

  /** Whether a call with this identity exists, connecting or connected. */
  isKnownCaller(conversation: ConversationHash, userId: UserHash, clientId: string): boolean;

  /** Whether the conversation has a conference with at least one call. */
  hasConference(conversation: ConversationHash): boolean;

  /** Clients in one conference, those still connecting included; 0 when there is none. */
  participantsIn(conversation: ConversationHash): number;

  /**
   * Makes a new call, replaces the call of the same caller (`update` false), or prepares a second leg beside
   * it (`update` true), and resolves to the offer. The caller must be known and counted in {@link usage} when
   * this function returns its promise, so that limits hold for requests that come at the same time.
   *
   * `signal` is aborted when nobody waits for the offer any more; the host then drops the call, at the latest
   * by its own timer. Does not reject; a host that cannot serve says `internal`.
   */
  connect(request: ConnectRequest, signal: AbortSignal): Promise<ConnectOutcome>;

  /** Takes the answer of a known caller. */
  answer(request: AnswerRequest): AnswerOutcome | Promise<AnswerOutcome>;
}
