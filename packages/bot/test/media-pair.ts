import { type SrtpKeys, SrtpProfile } from '@conclave/forwarder';
import { buildOffer, type Slot } from '@conclave/sdp';
import { LossyLink, type LossyLinkOptions, SeededRandom } from '@conclave/testkit';
import { readConferenceOffer } from '../src/conference-offer.ts';
import type { AssembledMedia } from '../src/frame-assembler.ts';
import { MediaConnection } from '../src/media-connection.ts';

/** The offer of a server that receives audio and video, and sends in the slots given. */
export function offerWith(audioSlots: readonly Slot[], videoSlots: readonly Slot[]): string {
  return buildOffer({
    sessionId: '1',
    originAddress: '192.0.2.1',
    tool: 'sftd 5.0.1',
    ufrag: 'abcdEFGH',
    pwd: 'abcdefghijklmnopqrstuvwx',
    fingerprint: Array(32).fill('AB').join(':'),
    candidates: ['1 1 UDP 2122194687 192.0.2.1 40000 typ host'],
    mainVideoSsrc: 1,
    simulcast: true,
    audioSlots,
    videoSlots,
    maxMessageSize: 262_144,
  });
}

/** What arrived at the receiver, in order. */
export interface Arrival {
  readonly kind: 'audio' | 'video';
  readonly media: AssembledMedia;
  readonly atMs: number;
}

/**
 * A sender's media connection and a receiver's whose slots are the sender's streams, with a lossy link each way between
 * them, on a virtual clock. SRTP is real.
 */
export class MediaPair {
  readonly sender: MediaConnection;
  readonly receiver: MediaConnection;
  readonly arrivals: Arrival[] = [];
  readonly there: LossyLink;
  readonly back: LossyLink;
  keyFramesWanted = 0;
  now = 1000;

  constructor(
    there: LossyLinkOptions,
    back: LossyLinkOptions,
    settings: {
      readonly audioPatienceMs: number;
      readonly videoPatienceMs: number;
      readonly videoPaceBps: number;
    },
  ) {
    const random = new SeededRandom(there.seed ?? 1);
    this.there = new LossyLink(there);
    this.back = new LossyLink(back);
    const common = { random: random.bytes, cname: 'pair', ...settings };
    this.sender = new MediaConnection({ ...common, offer: readConferenceOffer(offerWith([], [])) });
    const video = this.sender.video!;
    const offer = offerWith(
      [{ mid: '1', ssrc: this.sender.audio.ssrc, id: 'a1' }],
      [{ mid: '2', ssrc: video.ssrc, rtxSsrc: this.sender.videoRtxSsrc, id: 'v2' }],
    );
    this.receiver = new MediaConnection({ ...common, offer: readConferenceOffer(offer) });
    const [oneKey, otherKey] = [random.bytes(16), random.bytes(16)];
    const [oneSalt, otherSalt] = [random.bytes(12), random.bytes(12)];
    const keys: SrtpKeys = {
      profile: SrtpProfile.aeadAes128Gcm,
      sendKey: oneKey,
      sendSalt: oneSalt,
      receiveKey: otherKey,
      receiveSalt: otherSalt,
    };
    this.sender.secure(this.now, keys);
    this.receiver.secure(this.now, {
      ...keys,
      sendKey: otherKey,
      sendSalt: otherSalt,
      receiveKey: oneKey,
      receiveSalt: oneSalt,
    });
  }

  /** Lets time pass, millisecond by millisecond. */
  run(durationMs: number): void {
    for (const end = this.now + durationMs; this.now < end; this.now++) this.#step();
  }

  #step(): void {
    const unixMs = 1_700_000_000_000 + this.now;
    for (const [side, link] of [
      [this.receiver, this.there],
      [this.sender, this.back],
    ] as const) {
      for (let bytes = link.receive(this.now); bytes; bytes = link.receive(this.now)) {
        side.handlePacket(this.now, unixMs, bytes);
      }
      if ((side.pollTimeout() ?? Number.POSITIVE_INFINITY) <= this.now) side.handleTimeout(this.now, unixMs);
    }
    for (const [side, link] of [
      [this.sender, this.there],
      [this.receiver, this.back],
    ] as const) {
      for (let bytes = side.pollTransmit(); bytes; bytes = side.pollTransmit()) link.send(this.now, bytes);
      for (let event = side.pollEvent(); event; event = side.pollEvent()) {
        if (event.type === 'key-frame-wanted') this.keyFramesWanted++;
        else this.arrivals.push({ kind: event.kind, media: event.media, atMs: this.now });
      }
    }
  }
}
