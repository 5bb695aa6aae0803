import {
  decapsulateRtx,
  findExtension,
  parseAudioLevel,
  parseRtpPacket,
  type RtpPacket,
} from '@conclave/rtp';
import type { ModelEgress } from './flow-table-model-egress.ts';
import type { ModelIngress, PlacedPacket } from './flow-table-model-ingress.ts';
import type { ModelPeer } from './flow-table-model-peer.ts';
import { type DropReason, type ModelState, reasonOf } from './flow-table-model-state.ts';

/** A stream, as the SSRC of the stream itself or of its repair stream names it. */
interface NamedStream {
  readonly ingress: ModelIngress;
  readonly repair: boolean;
}

/** Takes one authentic RTP packet, already opened, all the way to the slots. Throws `FormatError` if it is malformed. */
export function receiveRtp(state: ModelState, peer: ModelPeer, bytes: Uint8Array): DropReason {
  const rtp = parseRtpPacket(bytes);
  const stream = streamOf(peer, rtp);
  if (stream !== undefined) return takeFromStream(state, stream, rtp, bytes.length);
  // A repair stream means nothing before its extension has named what it repairs.
  if (peer.ingresses.some((ingress) => ingress.options.rtxPayloadType === rtp.payloadType))
    return 'unknown_ssrc';
  const held = peer.hold(state.nowUs, bytes);
  if (peer.shouldTell(rtp.ssrc, state.nowUs)) {
    const { rid: ridId, mid: midId } = peer.options.extensions;
    const rid = textOf(findExtension(rtp.extensions, ridId));
    const mid = textOf(findExtension(rtp.extensions, midId));
    const { ssrc, payloadType } = rtp;
    const named = { ...(rid && { rid }), ...(mid && { mid }) };
    state.events.push({ type: 'unknown-ssrc', peer: peer.id, ssrc, payloadType, ...named });
  }
  return held ? undefined : 'unknown_ssrc';
}

/** Forwards the held packets that a stream now claims, as if they arrived now. */
export function releaseHeld(state: ModelState, peer: ModelPeer): void {
  const held = peer.held;
  peer.held = [];
  for (const packet of held) {
    const rtp = parseRtpPacket(packet.bytes);
    const stream = streamOf(peer, rtp);
    if (stream === undefined) peer.held.push(packet);
    else state.countDrop(takeFromStream(state, stream, rtp, packet.bytes.length));
  }
}

/** The stream of the packet's SSRC. One that is unknown is bound if the packet names its stream. */
function streamOf(peer: ModelPeer, rtp: RtpPacket): NamedStream | undefined {
  const known = peer.streamOf(rtp.ssrc);
  if (known !== undefined) return known;
  const { rid: ridId, repairedRid: repairedRidId } = peer.options.extensions;
  for (const ingress of peer.ingresses) {
    const { rid, payloadType, rtxPayloadType } = ingress.options;
    if (rid === undefined || rid === '') continue;
    const repair = rtp.payloadType === rtxPayloadType;
    if (textOf(findExtension(rtp.extensions, repair ? repairedRidId : ridId)) !== rid) continue;
    if (repair && ingress.rtxSsrc === undefined) ingress.rtxSsrc = rtp.ssrc;
    else if (!repair && ingress.ssrc === undefined && rtp.payloadType === payloadType) ingress.bind(rtp.ssrc);
    else continue;
    return { ingress, repair };
  }
  return undefined;
}

function takeFromStream(
  state: ModelState,
  stream: NamedStream,
  received: RtpPacket,
  length: number,
): DropReason {
  const { ingress, repair } = stream;
  const { payloadType, rtxPayloadType, kind, nack } = ingress.options;
  if (received.payloadType !== (repair ? rtxPayloadType : payloadType)) return 'payload_type';
  if (repair && !ingress.started) return 'too_old';
  // A repair packet without a number in it is a probe for bandwidth.
  if (repair && received.payload.length < 2) return undefined;
  const rtp = repair ? decapsulateRtx(received, { ssrc: ingress.ssrc ?? 0, payloadType }) : received;

  const position = ingress.unwrap(rtp.sequence);
  const paddingOnly = rtp.payload.length === 0;
  const breaks = nack && kind === 'video' && ingress.breaksAt(position);
  const verdict = ingress.place(position, paddingOnly);
  if (verdict === 'too_old' || verdict === 'duplicate') return verdict;
  if (breaks) state.needKeyFrame(ingress);
  if (repair) ingress.count('recoveredPackets');
  if (paddingOnly) {
    ingress.count('paddingPackets');
    return undefined;
  }

  ingress.count('packets');
  ingress.count('bytes', length);
  hear(state, ingress, rtp);
  const keyFrame = ingress.startsKeyFrame(rtp);
  if (keyFrame) ingress.count('keyFrames');
  ingress.keep(state.nowUs, position, rtp);
  const index = ingress.indexOf(position);
  const time = ingress.timeOf(state.nowUs, rtp.timestamp);
  return distribute(state, ingress, { rtp, position, index, time, keyFrame });
}

function hear(state: ModelState, ingress: ModelIngress, rtp: RtpPacket): void {
  const value = findExtension(rtp.extensions, ingress.peer.options.extensions.audioLevel);
  if (ingress.options.kind !== 'audio' || value === undefined || value.length === 0) return;
  if (ingress.takeLevel(state.nowUs, parseAudioLevel(value), state.onsetLevel)) {
    state.events.push({ type: 'audio-onset', ingress: ingress.id });
  }
}

function distribute(state: ModelState, ingress: ModelIngress, packet: PlacedPacket): DropReason {
  let taken = false;
  for (const egress of [...ingress.subscribers]) {
    const wished = egress.wish?.ingress === ingress && (egress.wish.at === 'now' || packet.keyFrame);
    if (!wished && egress.source !== ingress) continue;
    taken = true;
    state.countDrop(feed(state, egress, ingress, packet, wished));
  }
  for (const { group, slot } of ingress.places) {
    for (const receiver of group.receivers) {
      const egress = receiver.egresses[slot];
      if (egress === undefined) continue;
      taken = true;
      if (group.permits(receiver, slot)) state.countDrop(feed(state, egress, ingress, packet, false));
      else if (receiver.peer !== ingress.peer) state.countDrop('not_permitted');
    }
  }
  return taken ? undefined : 'no_receiver';
}

function feed(
  state: ModelState,
  egress: ModelEgress,
  ingress: ModelIngress,
  packet: PlacedPacket,
  wished: boolean,
): DropReason {
  const { sender, sendTo } = egress.peer;
  if (sender === undefined || sendTo === undefined) return 'not_ready';
  if (wished || egress.source !== ingress || egress.startsAnew) {
    if (egress.source !== ingress) state.leaveSource(egress);
    egress.begin(ingress, packet);
  }
  if (wished) {
    state.dropWish(egress);
    state.events.push({ type: 'switched', egress: egress.id, ingress: ingress.id });
  }
  const bytes = egress.rewrite(state.nowUs, ingress, packet);
  if (bytes === undefined) return 'before_switch';
  try {
    state.transmit(sendTo, sender.protectRtp(bytes));
  } catch (error) {
    return reasonOf(error);
  }
  egress.countSent(bytes.length);
  return undefined;
}

/** One character for each byte; `undefined` when there is none. */
function textOf(value: Uint8Array | undefined): string | undefined {
  return value === undefined || value.length === 0 ? undefined : String.fromCharCode(...value);
}
