import type { NowMs } from '@conclave/bytes';
import type { LegId } from '@conclave/conference';
import { loggable } from '@conclave/econn';
import type { EgressStats, IngressStats } from '@conclave/forwarder';
import type { ConferenceSession } from './conference-session.ts';
import type { LegQualityFigures } from './leg-quality.ts';
import { legOfEgress, legOfIngress, streamOfIngress } from './rule-ids.ts';

/** One call in the list. No whole id appears in any report: it would be a key to the call's signalling. */
export interface CallSummary {
  /** Names the call to the admin listener alone; drawn anew by every server process. */
  readonly call: string;
  /** First characters of the conversation's hash. */
  readonly conversation: string;
  readonly thread: number;
  readonly ageSeconds: number;
  readonly participants: number;
  /** Clients that are still connecting. */
  readonly connecting: number;
  /** Audio slots in use. */
  readonly speakers: number;
}

/** Totals of one stream of a participant. Rates are differences of two readings. */
export interface StreamReport {
  readonly stream: string;
  readonly packets: number;
  readonly bytes: number;
  readonly lostPackets: number;
  readonly recoveredPackets: number;
  readonly keyFrames: number;
}

/** One participant of a call. */
export interface ParticipantReport extends Partial<LegQualityFigures> {
  /** First characters of the user's hash. */
  readonly user: string;
  readonly muted: boolean;
  readonly sends: 'audio' | 'camera' | 'screen';
  readonly audioSlot: number | undefined;
  readonly wantedVideos: number;
  readonly incoming: readonly StreamReport[];
  /** All slots of the participant together. */
  readonly outgoing: {
    readonly packets: number;
    readonly bytes: number;
    readonly retransmittedPackets: number;
    readonly nacksReceived: number;
  };
}

/** A call and everybody in it. */
export interface CallReport extends CallSummary {
  readonly speakerChanges: number;
  readonly keyFrameRequests: number;
  readonly inCall: readonly ParticipantReport[];
}

/** Where reports are taken from. */
export interface CallReportSource {
  readonly now: () => NowMs;
  sessions(): Iterable<ConferenceSession>;
  readIngressStats(): readonly IngressStats[];
  readEgressStats(): readonly EgressStats[];
}

/** What an operator may see of the calls of one server. Costs something on request only. */
export class CallReports {
  readonly #source: CallReportSource;

  constructor(source: CallReportSource) {
    this.#source = source;
  }

  /** All calls, oldest first. */
  list(): CallSummary[] {
    return [...this.#source.sessions()].map((session) => this.#summary(session));
  }

  /** One call by the name that {@link CallReports.list} gave it; undefined when it is over. */
  describe(call: string): CallReport | undefined {
    for (const session of this.#source.sessions()) if (nameOf(session) === call) return this.#report(session);
    return undefined;
  }

  #summary(session: ConferenceSession): CallSummary {
    const snapshot = session.conference.snapshot();
    return {
      call: nameOf(session),
      conversation: loggable(session.conversation),
      thread: session.thread,
      ageSeconds: Math.round((this.#source.now() - session.startedAt) / 1000),
      participants: snapshot.participants,
      connecting: snapshot.callers - snapshot.participants,
      speakers: snapshot.speakers,
    };
  }

  #report(session: ConferenceSession): CallReport {
    const incoming = groupByLeg(this.#source.readIngressStats(), (stats) => legOfIngress(stats.ingress));
    const outgoing = groupByLeg(this.#source.readEgressStats(), (stats) => legOfEgress(stats.egress));
    const { speakerChanges, keyFrameRequests } = session.conference.stats;
    return {
      ...this.#summary(session),
      speakerChanges,
      keyFrameRequests,
      inCall: session.conference.describe().map((participant) => {
        const leg = participant.leg === undefined ? undefined : session.leg(participant.leg);
        return {
          user: loggable(participant.userId),
          muted: participant.muted,
          sends: participant.sends,
          audioSlot: participant.audioSlot,
          wantedVideos: participant.wanted,
          ...leg?.quality.figures,
          incoming: (leg ? (incoming.get(leg.id) ?? []) : []).map((stats) => ({
            stream: streamOfIngress(stats.ingress),
            packets: stats.packets,
            bytes: stats.bytes,
            lostPackets: stats.lostPackets,
            recoveredPackets: stats.recoveredPackets,
            keyFrames: stats.keyFrames,
          })),
          outgoing: total(leg ? (outgoing.get(leg.id) ?? []) : []),
        };
      }),
    };
  }
}

function nameOf(session: ConferenceSession): string {
  return String(session.group);
}

function groupByLeg<Stats>(all: readonly Stats[], legOf: (stats: Stats) => LegId): Map<LegId, Stats[]> {
  const grouped = new Map<LegId, Stats[]>();
  for (const stats of all) {
    const list = grouped.get(legOf(stats));
    if (list) list.push(stats);
    else grouped.set(legOf(stats), [stats]);
  }
  return grouped;
}

function total(all: readonly EgressStats[]): ParticipantReport['outgoing'] {
  const sum = { packets: 0, bytes: 0, retransmittedPackets: 0, nacksReceived: 0 };
  for (const stats of all) {
    sum.packets += stats.packets;
    sum.bytes += stats.bytes;
    sum.retransmittedPackets += stats.retransmittedPackets;
    sum.nacksReceived += stats.nacksReceived;
  }
  return sum;
}
