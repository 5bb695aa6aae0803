import type { Path, PeerId, PeerOptions, SrtpKeys } from '@conclave/forwarder';
import type { ModelEgress } from './flow-table-model-egress.ts';
import type { ModelIngress } from './flow-table-model-ingress.ts';
import { SrtpOracleReceiver, SrtpOracleSender } from './srtp-oracle.ts';

/** An authentic packet, already opened, of an SSRC that no rule knows yet. */
export interface HeldPacket {
  readonly arrivalUs: number;
  readonly bytes: Uint8Array;
}

/** Bounds of what is held for a rule to come, per peer. */
const HELD_PACKETS = 32;
const HELD_BYTES = 48_000;
const HOLD_US = 50_000;
/** Spacing of `unknown-ssrc` events of one SSRC, and how many SSRCs are remembered for it. */
const TELL_AGAIN_US = 1_000_000;
const TOLD_SSRCS = 32;
/** A clock that seems to have gone back by more was set anew. */
const CLOCK_STEP_US = 1_000_000;

/** A peer in the model of the flow table. */
export class ModelPeer {
  readonly id: PeerId;
  readonly options: PeerOptions;
  readonly #maxSsrcs: number;
  sendTo: Path | undefined;
  sender: SrtpOracleSender | undefined;
  receiver: SrtpOracleReceiver | undefined;
  roundTripUs = 100_000;
  /** In the order in which they were added. */
  readonly ingresses: ModelIngress[] = [];
  readonly egresses: ModelEgress[] = [];
  held: HeldPacket[] = [];
  #told = new Map<number, number>();
  #clockOffsetUs: number | undefined;

  constructor(id: PeerId, options: PeerOptions, maxSsrcs: number) {
    this.id = id;
    this.options = options;
    this.#maxSsrcs = options.maxSsrcs ?? maxSsrcs;
  }

  setKeys(keys: SrtpKeys): void {
    this.receiver = new SrtpOracleReceiver(keys.profile, keys.receiveKey, keys.receiveSalt, this.#maxSsrcs);
    this.sender = new SrtpOracleSender(keys.profile, keys.sendKey, keys.sendSalt);
  }

  /** The stream that has this SSRC, and whether as its repair stream. */
  streamOf(ssrc: number): { ingress: ModelIngress; repair: boolean } | undefined {
    for (const ingress of this.ingresses) {
      if (ingress.ssrc === ssrc) return { ingress, repair: false };
      if (ingress.rtxSsrc === ssrc) return { ingress, repair: true };
    }
    return undefined;
  }

  /** False when there is no room. */
  hold(arrivalUs: number, bytes: Uint8Array): boolean {
    const used = this.held.reduce((sum, packet) => sum + packet.bytes.length, 0);
    if (this.held.length >= HELD_PACKETS || used + bytes.length > HELD_BYTES) return false;
    this.held.push({ arrivalUs, bytes });
    return true;
  }

  /** Forgets what was held too long, and says how many packets that were. */
  expireHeld(nowUs: number): number {
    const before = this.held.length;
    this.held = this.held.filter((packet) => nowUs - packet.arrivalUs <= HOLD_US);
    return before - this.held.length;
  }

  /** Whether to tell of this unknown SSRC now. */
  shouldTell(ssrc: number, nowUs: number): boolean {
    for (const [told, atUs] of this.#told) if (nowUs - atUs >= TELL_AGAIN_US) this.#told.delete(told);
    if (this.#told.has(ssrc) || this.#told.size >= TOLD_SSRCS) return false;
    this.#told.set(ssrc, nowUs);
    return true;
  }

  /** Takes the NTP time of a sender report that arrives now. */
  noteClock(nowUs: number, ntpUs: number): void {
    const offset = nowUs - ntpUs;
    const known = this.#clockOffsetUs;
    if (known === undefined || offset < known || offset > known + CLOCK_STEP_US) this.#clockOffsetUs = offset;
  }

  /** What to add to NTP times of this peer to get times of our clock. */
  get clockOffsetUs(): number {
    return this.#clockOffsetUs ?? 0;
  }
}
