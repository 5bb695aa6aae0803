import { FormatError, type NowMs } from '@conclave/bytes';
import {
  type ConferenceMessage,
  type ConversationHash,
  encodeMessage,
  hangupMessage,
  type Participant,
  type Props,
  parseMessage,
  pingResponseMessage,
  type StreamRequest,
  serverPropsMessage,
} from '@conclave/econn';
import { count, type IgnoredReason } from './conference-stats.ts';
import type { EffectQueue } from './effect-queue.ts';
import type { Leg } from './membership.ts';

/** What clients' messages make happen. */
export interface ClientMessageHandler {
  /** The client has shown that it is there. */
  readonly alive: (now: NowMs, leg: Leg) => void;
  /** It said something about itself. */
  readonly say: (now: NowMs, leg: Leg, props: Props) => void;
  /** It named those whom it authorises. */
  readonly authorise: (leg: Leg, participants: readonly Participant[]) => void;
  /** It wants these videos, in this order of slots. */
  readonly watch: (leg: Leg, streams: readonly StreamRequest[]) => void;
  /** Its call is over. */
  readonly hungUp: (now: NowMs, leg: Leg) => void;
}

/** What goes between the conference and its clients over their channels, one by one: understanding, and answering. */
export class ClientMessages {
  readonly #conversation: ConversationHash;
  readonly #effects: EffectQueue;
  readonly #handler: ClientMessageHandler;
  /** Messages heard so far, whatever became of them. */
  heard = 0;
  /** Those without effect. */
  readonly ignored: Partial<Record<IgnoredReason, number>> = {};

  constructor(conversation: ConversationHash, effects: EffectQueue, handler: ClientMessageHandler) {
    this.#conversation = conversation;
    this.#effects = effects;
    this.#handler = handler;
  }

  /** Takes a text; bad ones are counted and otherwise ignored. False when the client says more than it may. */
  handle(now: NowMs, leg: Leg, text: string): boolean {
    this.heard++;
    if (leg.state !== 'open' && leg.state !== 'hanging-up') {
      count(this.ignored, 'not-open');
      return true;
    }
    if (!leg.budget.spend(now, text.length)) return false;
    const message = this.#parse(text);
    if (message === undefined) return true;
    const ignored = this.#dispatch(now, leg, message);
    if (ignored !== undefined) count(this.ignored, ignored);
    return true;
  }

  /** Ends the client's call, or confirms that it did. */
  sendHangup(leg: Leg, response: boolean): void {
    this.#send(leg, encodeMessage(hangupMessage(this.#conversation, leg.caller, { response })));
  }

  /** Tells the server's own state, which clients expect and ignore. */
  sendServerProps(leg: Leg, response: boolean): void {
    const audioCbr = leg.answer?.audioCbr ?? true;
    this.#send(
      leg,
      encodeMessage(serverPropsMessage(this.#conversation, leg.caller, { response, audioCbr })),
    );
  }

  #send(leg: Leg, text: string): void {
    this.#effects.push({ type: 'send', leg: leg.id, text });
  }

  #parse(text: string): ConferenceMessage | undefined {
    try {
      return parseMessage(text);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      count(this.ignored, 'malformed');
      return undefined;
    }
  }

  #dispatch(now: NowMs, leg: Leg, message: ConferenceMessage): IgnoredReason | undefined {
    if (message.type === 'HANGUP') return this.#handleHangup(now, leg, message.sessionId, message.response);
    if (leg.state !== 'open') return 'not-open';
    switch (message.type) {
      case 'PING':
        if (message.response) return 'wrong-type';
        if (!this.#isSession(message.sessionId)) return 'wrong-session';
        this.#handler.alive(now, leg);
        this.#send(leg, encodeMessage(pingResponseMessage(this.#conversation, leg.caller)));
        return undefined;
      case 'PROPSYNC':
        if (!message.response) this.sendServerProps(leg, true);
        this.#handler.say(now, leg, message.props);
        return undefined;
      case 'CONFPART':
        if (!message.response) return 'wrong-type';
        this.#handler.authorise(leg, message.participants);
        return undefined;
      case 'CONFSTREAMS':
        if (message.response) return 'wrong-type';
        if (message.mode !== 'list') return 'unsupported-mode';
        this.#handler.watch(leg, message.streams);
        return undefined;
      default:
        return 'wrong-type';
    }
  }

  #handleHangup(now: NowMs, leg: Leg, sessionId: string, response: boolean): IgnoredReason | undefined {
    if (!this.#isSession(sessionId)) return 'wrong-session';
    if (response && leg.state !== 'hanging-up') return 'wrong-type';
    if (!response) this.sendHangup(leg, true);
    this.#handler.hungUp(now, leg);
    return undefined;
  }

  #isSession(sessionId: string): boolean {
    return sessionId.toLowerCase() === this.#conversation.toLowerCase();
  }
}
