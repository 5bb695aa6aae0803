import type { LegId, VideoLayer } from '@conclave/conference';
import type { EgressId, IngressId, PeerId } from '@conclave/forwarder';

/**
 * Ids in the flow table are computed from the leg they belong to, so that no table is needed in either direction:
 * a leg owns 64 consecutive numbers, of which the first 8 are its streams and the rest its slots.
 */
const IDS_PER_LEG = 64;
const FIRST_EGRESS = 8;

/** Most slots, audio and video together, that one leg can have. */
export const MAX_SLOTS_PER_LEG: number = IDS_PER_LEG - FIRST_EGRESS;

/** A stream of a leg: its audio, or one layer of its video. */
export type LegStream = 'audio' | VideoLayer;

/** All streams that a leg can have. */
export const LEG_STREAMS: readonly LegStream[] = ['audio', 'low', 'high', 'single'];

export function peerOf(leg: LegId): PeerId {
  return leg as number as PeerId;
}

export function legOfPeer(peer: PeerId): LegId {
  return peer as number as LegId;
}

export function ingressOf(leg: LegId, stream: LegStream): IngressId {
  return (leg * IDS_PER_LEG + LEG_STREAMS.indexOf(stream)) as IngressId;
}

export function legOfIngress(ingress: IngressId): LegId {
  return Math.floor(ingress / IDS_PER_LEG) as LegId;
}

export function streamOfIngress(ingress: IngressId): LegStream {
  return LEG_STREAMS[ingress % IDS_PER_LEG] ?? 'audio';
}

/** The egress of a slot; audio slots come first, video slots after them. */
export function egressOf(leg: LegId, slot: number): EgressId {
  return (leg * IDS_PER_LEG + FIRST_EGRESS + slot) as EgressId;
}

export function legOfEgress(egress: EgressId): LegId {
  return Math.floor(egress / IDS_PER_LEG) as LegId;
}

export function slotOfEgress(egress: EgressId): number {
  return (egress % IDS_PER_LEG) - FIRST_EGRESS;
}
