import { FormatError } from '@conclave/bytes';
import type { EgressId, ForwarderEvent, GroupId, IngressId, Path, PeerId } from '@conclave/forwarder';
import type { ModelEgress } from './flow-table-model-egress.ts';
import type { ModelGroup } from './flow-table-model-group.ts';
import type { ModelIngress } from './flow-table-model-ingress.ts';
import type { ModelPeer } from './flow-table-model-peer.ts';

/** Why a packet goes no further, as in the counters' names; `undefined` when it does. */
export type DropReason = string | undefined;

/** What all parts of the model of the flow table share: its tables, its time, and what came of the present step. */
export class ModelState {
  readonly onsetLevel: number;
  readonly peers: Map<PeerId, ModelPeer> = new Map();
  readonly ingresses: Map<IngressId, ModelIngress> = new Map();
  readonly egresses: Map<EgressId, ModelEgress> = new Map();
  readonly groups: Map<GroupId, ModelGroup> = new Map();
  readonly #paths = new Map<string, ModelPeer>();
  /** Egresses that wait for a key frame, in the order of the wishes. */
  waiting: ModelEgress[] = [];
  counters: Record<string, number> = {};
  sent: { path: Path; bytes: Uint8Array }[] = [];
  events: ForwarderEvent[] = [];
  nowUs = 0;

  constructor(onsetLevel: number) {
    this.onsetLevel = onsetLevel;
  }

  peerAt(path: Path): ModelPeer | undefined {
    return this.#paths.get(pathKey(path));
  }

  setPaths(peer: ModelPeer, accepted: readonly Path[]): void {
    for (const [key, owner] of this.#paths) if (owner === peer) this.#paths.delete(key);
    for (const path of accepted) this.#paths.set(pathKey(path), peer);
  }

  needKeyFrame(ingress: ModelIngress): void {
    if (ingress.shouldTellKeyFrame(this.nowUs)) {
      this.events.push({ type: 'key-frame-needed', ingress: ingress.id });
    }
  }

  /** Takes back what the egress waits for. */
  dropWish(egress: ModelEgress): void {
    const wish = egress.wish;
    if (wish === undefined) return;
    egress.wish = undefined;
    this.waiting = this.waiting.filter((other) => other !== egress);
    if (egress.source !== wish.ingress) wish.ingress.unsubscribe(egress);
  }

  /** Ends the source that feeds the egress. */
  leaveSource(egress: ModelEgress): void {
    egress.source?.unsubscribe(egress);
    egress.source = undefined;
  }

  transmit(path: Path, bytes: Uint8Array): void {
    this.count('sent_packets');
    this.count('sent_bytes', bytes.length);
    this.sent.push({ path, bytes });
  }

  count(name: string, by = 1): void {
    this.counters[name] = (this.counters[name] ?? 0) + by;
  }

  countDrop(reason: DropReason): void {
    if (reason !== undefined) this.count(`dropped_${reason}`);
  }
}

/** The counter of what a parser or SRTP refused. Throws the error again if it is of any other kind. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof FormatError)) throw error;
  const known = ['bad-tag', 'replayed', 'too-old', 'too-many-ssrcs'];
  return known.includes(error.code) ? error.code.replaceAll('-', '_') : 'malformed';
}

function pathKey(path: Path): string {
  return `${path.socket} ${path.address} ${path.port}`;
}
