import type { NowMs } from '@conclave/bytes';
import type {
  Conference,
  ConferenceEffect,
  LegId,
  LinkId,
  LinkRole,
  Sister,
  VideoLayer,
} from '@conclave/conference';
import type { ConversationHash, LinkMessage } from '@conclave/econn';
import type { AudioLevelSample, Forwarder, ForwarderEvent, GroupId, IngressStats } from '@conclave/forwarder';
import type { Answer } from '@conclave/sdp';
import { PollTimer } from '@conclave/service';
import type { FederationLink } from './federation-link.ts';
import { type Leg, type LegListener, sends } from './leg.ts';
import {
  egressOf,
  ingressOf,
  LEG_STREAMS,
  legOfEgress,
  legOfIngress,
  peerOf,
  slotOfEgress,
  streamOfIngress,
} from './rule-ids.ts';
import { SessionLink } from './session-link.ts';

/** What a conference's session needs from the server around it. */
export interface SessionSurroundings {
  readonly forwarder: Forwarder;
  readonly now: () => NowMs;
  /** A leg is gone from the conference, for a reason fit for the log. */
  readonly onLegClosed: (leg: Leg, reason: string) => void;
  /** A leg holds nothing any more; it may have left the conference some time before. */
  readonly onLegReleased: (leg: Leg) => void;
  /** A client's signalling channel opened. */
  readonly onJoined: (leg: Leg) => void;
  /** Some seconds' reports of a client about what it receives are in. */
  readonly onQuality: (leg: Leg) => void;
  /** A defect showed in this conference, which cannot go on; others can. */
  readonly onFault: (session: ConferenceSession, error: unknown) => void;
  /** A number for a leg that stands for a participant at another server; its events are to come here. */
  readonly drawLeg: (session: ConferenceSession) => LegId;
  /** A leg that stood for a participant at another server is gone. */
  readonly onLegDropped: (leg: LegId) => void;
  /** The conference parted from another server. */
  readonly onParted: (session: ConferenceSession) => void;
  /** The conference has ended. */
  readonly onEnded: (session: ConferenceSession) => void;
}

/**
 * Part of a conference that is led to another server at a time. Lower: fewer are interrupted at once; higher: done sooner. Of
 * small ones it is one client after the other.
 */
const SHARE_UNDERWAY = 0.1;
/** After this time nobody waits for a client that was sent to another server and has not arrived. */
const UNDERWAY_MS = 4000;
/** How long a closed leg's transport stays to deliver its last message. Longer: sockets linger; shorter: a lost
 * packet loses the goodbye. */
const LINGER_MS = 500;

/**
 * One conference at work: turns what happens at its legs and in the forwarder into inputs of the pure
 * {@link Conference}, and that one's effects into rules and messages. Decides nothing itself.
 */
export class ConferenceSession implements LegListener {
  readonly conversation: ConversationHash;
  readonly conference: Conference;
  readonly group: GroupId;
  readonly thread: number;
  /** Whether other servers join it here, or this one joins it elsewhere. */
  readonly anchor: 'here' | 'elsewhere';
  /** When it was made. */
  readonly startedAt: NowMs;
  readonly #surroundings: SessionSurroundings;
  readonly #legs = new Map<LegId, Leg>();
  readonly #links = new Map<LinkId, SessionLink>();
  #nextLink = 1;
  readonly #timer: PollTimer;
  readonly #lingering = new Map<Leg, NodeJS.Timeout>();
  #draining = false;
  #ended = false;
  /** The server of the same installation that takes this conference over, and whom to tell when it is linked. */
  #successor: { readonly url: string; readonly linked: () => void } | undefined;
  /** Legs whose clients were sent to the successor, and when. */
  readonly #sentAway = new Map<Leg, NowMs>();

  constructor(
    surroundings: SessionSurroundings,
    conference: Conference,
    options: {
      readonly conversation: ConversationHash;
      readonly group: GroupId;
      readonly thread: number;
      readonly audioSlots: number;
      readonly anchor: 'here' | 'elsewhere';
    },
  ) {
    this.#surroundings = surroundings;
    this.conference = conference;
    this.conversation = options.conversation;
    this.group = options.group;
    this.thread = options.thread;
    this.anchor = options.anchor;
    this.startedAt = surroundings.now();
    this.#timer = new PollTimer(surroundings.now, () => {
      try {
        this.conference.handleTimeout(surroundings.now());
        this.#drain();
      } catch (error) {
        this.faulted(error);
      }
    });
    surroundings.forwarder.addGroup(options.group, options.thread, options.audioSlots);
  }

  leg(id: LegId): Leg | undefined {
    return this.#legs.get(id);
  }

  /** Adds a leg whose offer is about to go out. `admit` gives it to the conference. */
  addLeg(leg: Leg, admit: (conference: Conference, now: NowMs) => void): void {
    this.#legs.set(leg.id, leg);
    admit(this.conference, this.#surroundings.now());
    this.#drain();
  }

  /** Gives a leg the answer to its offer. */
  answered(leg: Leg, answer: Answer): void {
    leg.accept(answer);
    if (leg.closed) return;
    const video = answer.video;
    const sendsVideo = video !== undefined && sends(video.direction);
    this.conference.legAnswered(this.#surroundings.now(), leg.id, {
      // Who sends no audio is known by a number all the same; without one it would not be listed.
      audioSsrc: sends(answer.audio.direction) ? answer.audio.ssrc : leg.feedbackSsrc,
      video: !sendsVideo ? 'none' : video.rids.length > 0 ? 'simulcast' : 'single',
      audioSlots: leg.audioSlots,
      videoSlots: leg.videoSlots,
    });
    this.#drain();
  }

  channelOpened(leg: Leg): void {
    this.#surroundings.onJoined(leg);
    this.conference.channelOpened(this.#surroundings.now(), leg.id);
    this.#drain();
  }

  message(leg: Leg, text: string): void {
    this.conference.message(this.#surroundings.now(), leg.id, text);
    this.#drain();
  }

  failed(leg: Leg, reason: string): void {
    if (!this.#legs.delete(leg.id)) return;
    this.#surroundings.onLegClosed(leg, reason);
    this.conference.legClosed(this.#surroundings.now(), leg.id, reason);
    this.#drain();
  }

  released(leg: Leg): void {
    this.#surroundings.onLegReleased(leg);
  }

  faulted(error: unknown): void {
    this.#surroundings.onFault(this, error);
  }

  /** Takes an event of the forwarder about one of this conference's streams or slots. */
  handleForwarderEvent(event: ForwarderEvent): void {
    const now = this.#surroundings.now();
    switch (event.type) {
      case 'unknown-ssrc':
        this.#bindUnknown(event.peer as number as LegId, event.ssrc, event.payloadType);
        break;
      case 'audio-onset':
        this.conference.audioOnset(now, legOfIngress(event.ingress));
        break;
      case 'key-frame-needed': {
        const stream = streamOfIngress(event.ingress);
        if (stream !== 'audio') this.conference.keyFrameNeeded(now, legOfIngress(event.ingress), stream);
        break;
      }
      case 'switched':
      case 'switch-deadline': {
        const receiver = this.#legs.get(legOfEgress(event.egress));
        const stream = streamOfIngress(event.ingress);
        if (!receiver || stream === 'audio') break;
        const change = {
          receiver: receiver.id,
          slot: slotOfEgress(event.egress) - receiver.audioSlots,
          source: legOfIngress(event.ingress),
          layer: stream,
        };
        if (event.type === 'switched') this.conference.sourceSwitched(now, change);
        else this.conference.switchDeadlinePassed(now, change);
        break;
      }
      case 'receiver-report': {
        const leg = this.#legs.get(legOfEgress(event.egress));
        if (leg?.quality.handleReport(now, event.fractionLost, event.roundTripMs)) {
          this.#surroundings.onQuality(leg);
        }
        return;
      }
      default:
        break;
    }
    this.#drain();
  }

  /** Passes on the audio activity of this conference's streams. */
  audioLevels(samples: readonly AudioLevelSample[]): void {
    this.conference.audioLevels(
      this.#surroundings.now(),
      samples.map(({ ingress, ...activity }) => ({ leg: legOfIngress(ingress), ...activity })),
    );
    this.#drain();
  }

  /** Passes on how many packets each video layer brought since the last time. */
  layerActivity(samples: readonly { readonly stats: IngressStats; readonly packets: number }[]): void {
    const activity: { leg: LegId; layer: VideoLayer; packets: number }[] = [];
    for (const { stats, packets } of samples) {
      const stream = streamOfIngress(stats.ingress);
      if (stream !== 'audio') activity.push({ leg: legOfIngress(stats.ingress), layer: stream, packets });
    }
    this.conference.layerActivity(this.#surroundings.now(), activity);
    this.#drain();
  }

  /** Whether it can be moved to another server: not while it is shared with servers of other domains. */
  get movable(): boolean {
    return this.anchor === 'here' && [...this.#links.values()].every(({ sister }) => sister !== undefined);
  }

  /** Whether the server that takes over is linked. */
  get hasSuccessor(): boolean {
    return [...this.#links.values()].some(({ sister }) => sister === 'successor');
  }

  /** The URL of the server that takes over, linked or expected. */
  get successorUrl(): string | undefined {
    return this.#successor?.url;
  }

  /** From now on the server of this URL may link to take over; resolves when it has. Undefined: nobody may. */
  awaitSuccessor(url: string | undefined): Promise<void> {
    return new Promise((resolve) => {
      this.#successor = url === undefined ? undefined : { url, linked: resolve };
    });
  }

  /**
   * Sends the next client to the successor. False when all that can be reached were sent, or when so many are on their way
   * that more of them would be missed.
   */
  sendOneAway(): boolean {
    const now = this.#surroundings.now();
    let underway = 0;
    for (const [leg, atMs] of this.#sentAway) {
      if (!this.#legs.has(leg.id)) this.#sentAway.delete(leg);
      else if (now - atMs < UNDERWAY_MS) underway += 1;
    }
    if (underway > 0 && underway >= this.#legs.size * SHARE_UNDERWAY) return false;
    for (const leg of this.#legs.values()) {
      if (this.#sentAway.has(leg) || !leg.closeChannel()) continue;
      this.#sentAway.set(leg, now);
      return true;
    }
    return false;
  }

  /** Ends a conference that was prepared for clients of another server, if none has come. */
  endUnlessUsed(): void {
    if (this.conference.empty) this.#end();
  }

  /** Shares the conference with the server at the other end of the link from now on. */
  openLink(link: FederationLink, role: LinkRole, sister?: Sister): void {
    if (this.#ended || [...this.#links.values()].some((known) => known.link === link)) return;
    const id = this.#nextLink++ as LinkId;
    const { forwarder, now, drawLeg } = this.#surroundings;
    this.#links.set(id, new SessionLink({ id, link, forwarder, sister, drawLeg: () => drawLeg(this) }));
    link.attach(this, () => {
      this.#dropLink(id);
      this.conference.linkClosed(now(), id);
      this.#drain();
    });
    this.conference.linkOpened(now(), {
      link: id,
      role,
      sister,
      drawSsrc: () => link.drawSsrc(),
      drawLeg: () => drawLeg(this),
    });
    this.#drain();
    if (sister === 'successor') this.#successor?.linked();
  }

  /** Takes what the other server said about this conference; false when the conference does not use that link. */
  linkMessage(link: FederationLink, message: LinkMessage): boolean {
    for (const known of this.#links.values()) {
      if (known.link !== link) continue;
      this.conference.linkMessage(this.#surroundings.now(), known.id, message);
      this.#drain();
      return true;
    }
    return false;
  }

  /** Frees everything at once, for the end of the process. */
  dispose(): void {
    for (const [leg, timer] of this.#lingering) {
      clearTimeout(timer);
      leg.close();
    }
    this.#lingering.clear();
    this.#end();
  }

  #bindUnknown(legId: LegId, ssrc: number, payloadType: number): void {
    const leg = this.#legs.get(legId);
    const answer = leg?.answer;
    if (!leg || !answer) return;
    const { forwarder } = this.#surroundings;
    if (payloadType === answer.audio.payloadType && answer.audio.ssrc === undefined) {
      // The conference names the streams first; until then there is no rule to bind to.
      this.conference.audioSsrcLearned(this.#surroundings.now(), legId, ssrc);
      this.#drain();
      forwarder.bindSsrc(ingressOf(legId, 'audio'), ssrc);
    } else if (answer.video && payloadType === answer.video.payloadType && answer.video.rids.length === 0) {
      forwarder.bindSsrc(ingressOf(legId, 'single'), ssrc);
    }
  }

  #drain(): void {
    if (this.#draining || this.#ended) return;
    this.#draining = true;
    for (let effect = this.conference.pollEffect(); effect; effect = this.conference.pollEffect()) {
      this.#execute(effect);
      if (this.#ended) break;
    }
    this.#draining = false;
    if (!this.#ended) this.#timer.arm(this.conference.pollTimeout());
  }

  #execute(effect: ConferenceEffect): void {
    const { forwarder } = this.#surroundings;
    switch (effect.type) {
      case 'send':
        this.#legs.get(effect.leg)?.send(effect.text);
        break;
      case 'broadcast':
        for (const leg of effect.legs) this.#legs.get(leg)?.send(effect.text);
        break;
      case 'assign-csrc':
        this.#legs.get(effect.leg)?.addStreams(effect.audio, effect.video);
        break;
      case 'join-audio': {
        const leg = this.#legs.get(effect.leg);
        if (!leg) break;
        const egresses = Array.from({ length: leg.audioSlots }, (_, slot) => egressOf(leg.id, slot));
        forwarder.setGroupReceiver(this.group, peerOf(leg.id), egresses);
        break;
      }
      case 'leave-audio':
        forwarder.removeGroupReceiver(this.group, peerOf(effect.leg));
        break;
      case 'set-audio-slot':
        forwarder.setGroupSource(
          this.group,
          effect.slot,
          effect.source === undefined ? undefined : ingressOf(effect.source, 'audio'),
        );
        break;
      case 'set-audio-permissions':
        forwarder.setGroupPermissions(
          this.group,
          peerOf(effect.receiver),
          effect.senders.map((sender) => ingressOf(sender, 'audio')),
        );
        break;
      case 'set-video-source': {
        const receiver = this.#legs.get(effect.receiver);
        if (!receiver) break;
        forwarder.setSource(
          egressOf(receiver.id, receiver.audioSlots + effect.slot),
          effect.source && ingressOf(effect.source.leg, effect.source.layer),
          effect.at === 'now' ? { at: 'now' } : { at: 'key-frame', deadlineMs: effect.deadlineMs },
        );
        break;
      }
      case 'request-key-frame':
        forwarder.requestKeyFrame(ingressOf(effect.leg, effect.layer));
        break;
      case 'send-link':
        this.#links.get(effect.link)?.link.send(effect.message);
        break;
      case 'import-leg':
        this.#links.get(effect.link)?.importLeg(effect);
        break;
      case 'add-export':
        this.#links.get(effect.link)?.addExport(effect);
        break;
      case 'set-export':
        this.#links.get(effect.link)?.setExport(effect);
        break;
      case 'remove-export':
        this.#links.get(effect.link)?.removeExport(effect.export);
        break;
      case 'close-link':
        this.#dropLink(effect.link);
        this.#surroundings.onParted(this);
        break;
      case 'close-leg':
        this.#closeLeg(effect.leg, effect.reason);
        break;
      case 'ended':
        this.#end();
        break;
    }
  }

  /** The leg is out of the conference at once; its transport stays a moment to deliver what was just sent. */
  #closeLeg(id: LegId, reason: string): void {
    for (const link of this.#links.values()) link.dropLeg(id);
    const leg = this.#legs.get(id);
    if (!leg) {
      this.#surroundings.onLegDropped(id);
      return;
    }
    this.#legs.delete(id);
    for (const stream of LEG_STREAMS) {
      this.#surroundings.forwarder.removeIngress(ingressOf(id, stream));
    }
    this.#surroundings.forwarder.removeGroupReceiver(this.group, peerOf(id));
    // The peer is still known while it lingers: without this its slots would go on showing what they show.
    for (let slot = 0; slot < leg.audioSlots + leg.videoSlots; slot++) {
      this.#surroundings.forwarder.removeEgress(egressOf(id, slot));
    }
    this.#lingering.set(
      leg,
      setTimeout(() => {
        this.#lingering.delete(leg);
        leg.close();
      }, LINGER_MS),
    );
    this.#surroundings.onLegClosed(leg, reason);
  }

  #dropLink(id: LinkId): void {
    const known = this.#links.get(id);
    if (known === undefined) return;
    this.#links.delete(id);
    known.link.detach(this);
    known.close();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const id of [...this.#links.keys()]) this.#dropLink(id);
    this.#timer.stop();
    for (const leg of this.#legs.values()) leg.close();
    this.#legs.clear();
    this.#surroundings.forwarder.removeGroup(this.group);
    this.#surroundings.onEnded(this);
  }
}
