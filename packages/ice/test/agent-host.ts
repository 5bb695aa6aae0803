import { createHmac } from 'node:crypto';
import type { Hmac } from '@conclave/bytes';
import {
  IceAgent,
  type IceAgentOptions,
  type IceCandidate,
  type IceEvent,
  type IcePath,
  type IceState,
  makeIceCredentials,
} from '@conclave/ice';
import { seededBytes } from './seeded-random.ts';
import type { NetworkHost, SimulatedNetwork } from './simulated-network.ts';

/** HMAC-SHA1 of the platform. */
export const hmacSha1: Hmac = (key, data) => createHmac('sha1', key).update(data).digest();

/** Timer calls that an agent may make in one virtual second; more is a busy loop. */
const MAX_TIMEOUTS_PER_SECOND = 400;

/** Drives one agent on a simulated network as its owner would, and keeps what it said. */
export class AgentHost implements NetworkHost {
  readonly agent: IceAgent;
  readonly candidates: IceCandidate[] = [];
  readonly events: (IceEvent & { at: number })[] = [];
  readonly #network: SimulatedNetwork;
  #armedFor: number | undefined;
  #timeouts = 0;
  #timeoutsSince = 0;

  constructor(
    network: SimulatedNetwork,
    options: Partial<IceAgentOptions> & { role: IceAgentOptions['role'] },
  ) {
    this.#network = network;
    const random = options.random ?? seededBytes(options.role === 'controlling' ? 11 : 22);
    const { ufrag, pwd } = makeIceCredentials(random);
    const transactionTag = options.role === 'controlling' ? 0xa1a2a3a4 : 0xb1b2b3b4;
    this.agent = new IceAgent({
      localUfrag: ufrag,
      localPwd: pwd,
      transactionTag,
      random,
      hmacSha1,
      ...options,
    });
  }

  /** A UDP socket at this address, and the candidate for it. */
  udp(socket: number, address: string, port: number, outside?: [string, number]): this {
    this.#network.openUdp(this, socket, ...(outside ?? ([address, port] as const)));
    this.candidates.push(
      this.agent.addLocalCandidate({ socket, address, advertisedAddress: address, port, transport: 'udp' }),
    );
    return this;
  }

  /** A TCP listener at this address, and the candidate for it. */
  tcp(socket: number, address: string, port: number): this {
    this.candidates.push(
      this.agent.addLocalCandidate({
        socket,
        address,
        advertisedAddress: address,
        port,
        transport: 'tcp',
        tcpType: 'passive',
      }),
    );
    return this;
  }

  /** Hands over the other's credentials and candidates, or other candidates. */
  setRemote(other: AgentHost, candidates: readonly IceCandidate[] = other.candidates): void {
    const { localUfrag: ufrag, localPwd: pwd } = other.agent;
    this.agent.setRemote(this.#network.clock.now, { ufrag, pwd, candidates });
    this.drain();
  }

  receive(path: IcePath, bytes: Uint8Array): void {
    this.agent.handlePacket(this.#network.clock.now, path, bytes);
    this.drain();
  }

  pathClosed(socket: number): void {
    this.agent.handlePathClosed(this.#network.clock.now, socket);
    this.drain();
  }

  /** Opens a TCP connection to the other's listener and has it checked. */
  connectTo(server: NetworkHost, from: [string, number], to: [string, number]): IcePath {
    const path = this.#network.connect(this, server, from, to);
    this.agent.handlePathOpened(this.#network.clock.now, path);
    this.drain();
    return path;
  }

  /** States in their order. */
  get states(): IceState[] {
    return this.events.flatMap((event) => (event.type === 'state' ? [event.state] : []));
  }

  /** When the agent first entered the state; `undefined` if it never did. */
  enteredAt(state: IceState): number | undefined {
    return this.events.find((event) => event.type === 'state' && event.state === state)?.at;
  }

  /** Sends what the agent has to send, takes its events, arms its timer. */
  drain(): void {
    const { clock } = this.#network;
    for (let out = this.agent.pollTransmit(); out; out = this.agent.pollTransmit()) {
      this.#network.send(this, out.path, out.bytes);
    }
    for (let event = this.agent.pollEvent(); event; event = this.agent.pollEvent()) {
      this.events.push({ ...event, at: clock.now });
    }
    const at = this.agent.pollTimeout();
    if (at === undefined || at === this.#armedFor) return;
    this.#armedFor = at;
    clock.schedule(at, () => {
      if (this.#armedFor !== at) return;
      this.#armedFor = undefined;
      this.#countTimeout();
      this.agent.handleTimeout(clock.now);
      this.drain();
    });
  }

  #countTimeout(): void {
    const second = Math.floor(this.#network.clock.now / 1000);
    if (second !== this.#timeoutsSince) {
      this.#timeoutsSince = second;
      this.#timeouts = 0;
    }
    if (++this.#timeouts > MAX_TIMEOUTS_PER_SECOND) throw new Error('the agent spins on its timer');
  }
}

/** A server with one UDP socket and a client behind nothing, who know each other. */
export function introduce(server: AgentHost, client: AgentHost): void {
  client.setRemote(server);
  server.setRemote(client);
}
