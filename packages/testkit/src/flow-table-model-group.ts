import type { GroupId, IngressId } from '@conclave/forwarder';
import type { ModelEgress } from './flow-table-model-egress.ts';
import type { ModelIngress } from './flow-table-model-ingress.ts';
import type { ModelPeer } from './flow-table-model-peer.ts';

/** A slot of a group that a stream feeds. */
export interface GroupPlace {
  readonly group: ModelGroup;
  readonly slot: number;
}

/** One receiver of a group. */
export interface GroupReceiver {
  readonly peer: ModelPeer;
  /** By slot. */
  egresses: (ModelEgress | undefined)[];
  allowed: Set<IngressId>;
}

/** A conference's shared slots in the model of the flow table. */
export class ModelGroup {
  readonly id: GroupId;
  readonly sources: (ModelIngress | undefined)[];
  /** In the order in which they were first told of. */
  receivers: GroupReceiver[] = [];

  constructor(id: GroupId, slots: number) {
    this.id = id;
    this.sources = new Array<undefined>(slots).fill(undefined);
  }

  receiverOf(peer: ModelPeer): GroupReceiver {
    const known = this.receivers.find((receiver) => receiver.peer === peer);
    if (known !== undefined) return known;
    const receiver: GroupReceiver = { peer, egresses: [], allowed: new Set() };
    this.receivers.push(receiver);
    return receiver;
  }

  /** Whether the receiver may hear what is in the slot. */
  permits(receiver: GroupReceiver, slot: number): boolean {
    const source = this.sources[slot];
    return source !== undefined && receiver.allowed.has(source.id);
  }

  /** Has every slot whose source changed, or may no longer be heard, begin anew with what comes next. */
  settle(): void {
    for (const receiver of this.receivers) {
      receiver.egresses.forEach((egress, slot) => {
        if (egress === undefined) return;
        if (!this.permits(receiver, slot) || egress.source !== this.sources[slot]) egress.source = undefined;
      });
    }
  }

  /** Takes the receiver's egresses out of the group. */
  clearSlots(receiver: GroupReceiver): void {
    for (const egress of receiver.egresses) {
      if (egress === undefined) continue;
      egress.group = undefined;
      egress.source = undefined;
    }
    receiver.egresses = [];
  }
}
