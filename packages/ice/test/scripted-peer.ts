import { toUtf8 } from '@conclave/bytes';
import {
  encodeBindingRequest,
  encodeBindingSuccess,
  IceAgent,
  type IceAgentOptions,
  type IceEvent,
  type IcePath,
  type IceRole,
} from '@conclave/ice';
import { attributeType, hasAttribute, parseStun, type StunMessage } from '@conclave/stun';
import { hmacSha1 } from './agent-host.ts';
import { seededBytes } from './seeded-random.ts';

/** Credentials of the agent under test. */
export const ours = { ufrag: 'oursUF', pwd: 'oursPWDoursPWDoursPWD1' } as const;
/** Credentials of the peer that the test plays. */
export const theirs = { ufrag: 'theirsUF', pwd: 'theirsPWDtheirsPWDtheirs' } as const;
/** The path most tests use. */
export const mainPath: IcePath = { socket: 1, address: '198.51.100.9', port: 5000, transport: 'udp' };
/** Its remote candidate. */
export const mainCandidate = {
  foundation: '1',
  component: 1,
  transport: 'udp',
  priority: 2130706431,
  address: mainPath.address,
  port: mainPath.port,
  type: 'host',
} as const;

/** An agent with one UDP candidate, no network, and every packet it sends kept. */
export class AgentUnderTest {
  readonly agent: IceAgent;
  readonly sent: { path: IcePath; message: StunMessage; at: number }[] = [];
  readonly events: IceEvent[] = [];
  now = 0;
  #nextId = 0;

  constructor(options: Partial<IceAgentOptions> = {}) {
    this.agent = new IceAgent({
      role: 'controlling',
      localUfrag: ours.ufrag,
      localPwd: ours.pwd,
      transactionTag: 0xc0ffee00,
      random: seededBytes(5),
      hmacSha1,
      ...options,
    });
    this.agent.addLocalCandidate({
      socket: 1,
      address: '192.0.2.1',
      advertisedAddress: '192.0.2.1',
      port: 40000,
      transport: 'udp',
    });
  }

  /** Gives the agent the peer's credentials and, unless told otherwise, its main candidate. */
  start(
    candidates: readonly Parameters<IceAgent['setRemote']>[1]['candidates'][number][] = [mainCandidate],
  ): this {
    this.agent.setRemote(this.now, { ...theirs, candidates });
    this.#drain();
    return this;
  }

  /** Starts, answers the first check and lets the nomination succeed. */
  connect(): this {
    this.start();
    for (let i = 0; i < 2; i++) this.receive(this.answerTo(this.lastRequest()));
    return this;
  }

  /** The agent receives the bytes; returns whether it accepted them. */
  receive(bytes: Uint8Array, path: IcePath = mainPath): boolean {
    const accepted = this.agent.handlePacket(this.now, path, bytes);
    this.#drain();
    return accepted;
  }

  /** Lets time pass, timer by timer. */
  advance(ms: number): void {
    const until = this.now + ms;
    for (let at = this.agent.pollTimeout(); at !== undefined && at <= until; at = this.agent.pollTimeout()) {
      this.now = at;
      this.agent.handleTimeout(at);
      this.#drain();
    }
    this.now = until;
  }

  /** The last request the agent sent. */
  lastRequest(): StunMessage {
    const request = this.sent.findLast((s) => s.message.class === 'request');
    if (!request) throw new Error('the agent has sent no request');
    return request.message;
  }

  /** A good check of the peer, or one with something changed. */
  request(
    change: Partial<{
      username: string;
      pwd: string;
      role: IceRole;
      tieBreaker: bigint;
      priority: number;
      useCandidate: boolean;
    }> = {},
  ): Uint8Array {
    const transactionId = new Uint8Array(12);
    transactionId[11] = ++this.#nextId;
    return encodeBindingRequest({
      transactionId,
      username: change.username ?? `${ours.ufrag}:${theirs.ufrag}`,
      role: change.role ?? (this.agent.role === 'controlling' ? 'controlled' : 'controlling'),
      tieBreaker: change.tieBreaker ?? 1n,
      priority: change.priority ?? 1_000_000,
      useCandidate: change.useCandidate ?? false,
      key: toUtf8(change.pwd ?? ours.pwd),
      hmacSha1,
    });
  }

  /** A good response to a request of the agent. */
  answerTo(request: StunMessage, pwd: string = theirs.pwd): Uint8Array {
    return encodeBindingSuccess({
      transactionId: request.transactionId,
      source: { address: '192.0.2.1', port: 40000 },
      key: toUtf8(pwd),
      hmacSha1,
    });
  }

  #drain(): void {
    for (let out = this.agent.pollTransmit(); out; out = this.agent.pollTransmit()) {
      this.sent.push({ path: out.path, message: parseStun(out.bytes), at: this.now });
    }
    for (let event = this.agent.pollEvent(); event; event = this.agent.pollEvent()) this.events.push(event);
  }
}

/** Whether the message asks for nomination. */
export function isNomination(message: StunMessage): boolean {
  return hasAttribute(message, attributeType.useCandidate);
}
