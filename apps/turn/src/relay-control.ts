import type { NowMs } from '@conclave/bytes';
import type { RelayClient, RelayEvent, RelayTable, RelayTotals } from '@conclave/forwarder';
import { PollTimer } from '@conclave/service';
import type { TransportAddress } from '@conclave/stun';
import type { TurnServer, TurnServerEffect } from '@conclave/turn';

/** Sums of {@link RelayTotals}. */
export type TrafficTotals = Omit<RelayTotals, 'relay'>;

/** What {@link RelayControl} needs. */
export interface RelayControlOptions {
  readonly server: TurnServer;
  readonly plane: RelayTable & { readTotals(): RelayTotals[] };
  readonly now: () => NowMs;
  /** What clients are told for an address that a relay is bound to. */
  readonly advertise: (address: string) => string;
  /** A relay could not be opened, for this reason. */
  readonly onRelayFailed: (reason: string) => void;
  /** Something threw that nobody foresaw; what it was about is given up, everything else goes on. */
  readonly onFault: (error: unknown) => void;
}

const NO_TRAFFIC: TrafficTotals = {
  fromClientPackets: 0,
  fromClientBytes: 0,
  toClientPackets: 0,
  toClientBytes: 0,
  fromPeerPackets: 0,
  fromPeerBytes: 0,
  toPeerPackets: 0,
  toPeerBytes: 0,
  cappedPackets: 0,
};

/**
 * Between the state machine and the relay plane: takes events up, carries effects out, keeps the timer. It decides
 * nothing.
 */
export class RelayControl {
  readonly #options: RelayControlOptions;
  readonly #timer: PollTimer;
  #ended: TrafficTotals = NO_TRAFFIC;
  #shown: TrafficTotals = NO_TRAFFIC;
  #idle: (() => void) | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: RelayControlOptions) {
    this.#options = options;
    this.#timer = new PollTimer(options.now, () => {
      this.#guarded(() => options.server.handleTimeout(options.now()));
      this.#timer.arm(options.server.pollTimeout());
    });
  }

  /** What the relay plane tells, in its order. */
  handleEvents(events: readonly RelayEvent[]): void {
    for (const event of events) this.#guarded(() => this.#handle(event));
    this.#timer.arm(this.#options.server.pollTimeout());
  }

  /** Takes no new allocations; resolves when the last has ended, or after `deadlineMs` when they were ended. */
  async drain(alternates: readonly TransportAddress[], deadlineMs: number): Promise<void> {
    const { server } = this.#options;
    server.drain(alternates);
    if (server.isIdle) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      this.#deadline = setTimeout(() => this.#guarded(() => server.closeAll()), deadlineMs);
    });
    clearTimeout(this.#deadline);
  }

  /** Traffic of all relays, those that have ended too. Never falls. */
  readTraffic(): TrafficTotals {
    const open = this.#options.plane.readTotals().reduce<TrafficTotals>(sum, this.#ended);
    // Between a relay's end and the event that tells its totals, it is in neither sum.
    this.#shown = combine(this.#shown, open, Math.max);
    return this.#shown;
  }

  /** Stops the timers. Nothing may be handed in any more. */
  close(): void {
    this.#timer.stop();
    clearTimeout(this.#deadline);
  }

  #handle(event: RelayEvent): void {
    const { server, plane, now, advertise } = this.#options;
    switch (event.type) {
      case 'message':
        server.handlePacket(now(), event.client, event.bytes);
        break;
      case 'client-closed':
        server.handleTransportClosed(now(), event.client);
        break;
      case 'relay-opened':
        server.handleRelayOpened(now(), event.relay, {
          address: advertise(event.address.address),
          port: event.address.port,
        });
        break;
      case 'relay-failed':
        this.#options.onRelayFailed(event.reason);
        server.handleRelayFailed(now(), event.relay);
        break;
      case 'relay-closed':
        this.#ended = sum(this.#ended, event.totals);
        break;
      case 'icmp':
        server.handleIcmp(now(), event.relay, event.peer, event.icmp);
        break;
      case 'peer-connected':
        server.handlePeerConnected(now(), event.connection);
        break;
      case 'peer-closed':
        server.handlePeerClosed(now(), event.connection);
        break;
      case 'peer-incoming': {
        const connection = server.handlePeerIncoming(now(), event.relay, event.peer);
        if (connection === undefined) plane.refusePeer(event.incoming);
        else plane.acceptPeer(event.incoming, connection);
        break;
      }
    }
  }

  #guarded(run: () => void): void {
    const { server, onFault } = this.#options;
    try {
      run();
    } catch (error) {
      onFault(error);
    }
    for (let effect = server.pollEffect(); effect; effect = server.pollEffect()) {
      try {
        this.#carryOut(effect);
      } catch (error) {
        onFault(error);
      }
    }
    if (this.#idle && server.isIdle) this.#idle();
  }

  #carryOut(effect: TurnServerEffect): void {
    const { plane } = this.#options;
    switch (effect.kind) {
      case 'send':
        plane.send(effect.to as RelayClient, effect.bytes);
        break;
      case 'open-relay':
        plane.openRelay(effect.relay, { ...effect, client: effect.client as RelayClient });
        break;
      case 'close-relay':
        plane.closeRelay(effect.relay);
        break;
      case 'add-permission':
        plane.addPermission(effect.relay, effect.peer);
        break;
      case 'remove-permission':
        plane.removePermission(effect.relay, effect.peer);
        break;
      case 'bind-channel':
        plane.bindChannel(effect.relay, effect.channel, effect.peer);
        break;
      case 'unbind-channel':
        plane.unbindChannel(effect.relay, effect.channel);
        break;
      case 'relay-data':
        plane.sendToPeer(effect.relay, effect.peer, effect.data, effect.dontFragment);
        break;
      case 'connect-peer':
        plane.connectPeer(effect.relay, effect.connection, effect.peer);
        break;
      case 'join-connection':
        plane.joinConnection(effect.connection, effect.client as RelayClient);
        break;
      case 'close-connection':
        plane.closeConnection(effect.connection);
        break;
    }
  }
}

function sum(a: TrafficTotals, b: TrafficTotals): TrafficTotals {
  return combine(a, b, (x, y) => x + y);
}

function combine(a: TrafficTotals, b: TrafficTotals, of: (x: number, y: number) => number): TrafficTotals {
  const keys = Object.keys(NO_TRAFFIC) as (keyof TrafficTotals)[];
  return Object.fromEntries(keys.map((key) => [key, of(a[key], b[key])])) as unknown as TrafficTotals;
}
