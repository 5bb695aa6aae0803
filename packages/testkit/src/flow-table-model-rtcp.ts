import { encodeRtcp, parseRtcp, type RtcpPacket } from '@conclave/rtp';
import type { ModelEgress } from './flow-table-model-egress.ts';
import type { ModelIngress } from './flow-table-model-ingress.ts';
import type { ModelPeer } from './flow-table-model-peer.ts';
import type { ModelState } from './flow-table-model-state.ts';

/** Items of one NACK that are looked at; an item names 17 packets at most. */
const NACK_ITEMS = 300;
const PACKETS_PER_ITEM = 17;

/** Takes one authentic RTCP compound, already opened. Throws `FormatError` if it is malformed. */
export function receiveRtcp(state: ModelState, peer: ModelPeer, bytes: Uint8Array): void {
  for (const packet of parseRtcp(bytes)) {
    switch (packet.type) {
      case 'sender-report':
        noteSenderReport(state, peer, packet);
        noteReportBlocks(state, peer, packet.blocks);
        break;
      case 'receiver-report':
        noteReportBlocks(state, peer, packet.blocks);
        break;
      case 'picture-loss':
        passKeyFrameRequest(state, peer, packet.mediaSsrc);
        break;
      case 'full-intra-request':
        for (const { ssrc } of packet.requests) passKeyFrameRequest(state, peer, ssrc);
        break;
      case 'nack':
        answerNack(state, peer, packet.mediaSsrc, packet.sequences);
        break;
    }
  }
}

/** Sends a PLI and a FIR for the stream. */
export function requestKeyFrame(state: ModelState, ingress: ModelIngress): void {
  const { ssrc, peer } = ingress;
  if (ssrc === undefined) return;
  const senderSsrc = peer.options.feedbackSsrc;
  const request: RtcpPacket[] = [
    { type: 'picture-loss', senderSsrc, mediaSsrc: ssrc },
    { type: 'full-intra-request', senderSsrc, requests: [{ ssrc, sequence: ingress.nextFirSequence() }] },
  ];
  if (peer.sender === undefined || peer.sendTo === undefined) return;
  state.transmit(peer.sendTo, peer.sender.protectRtcp(encodeRtcp(request)));
}

function noteSenderReport(
  state: ModelState,
  peer: ModelPeer,
  report: { ssrc: number; ntpTime: bigint; rtpTimestamp: number },
): void {
  const stream = peer.streamOf(report.ssrc);
  if (stream === undefined || stream.repair || report.ntpTime === 0n) return;
  const seconds = report.ntpTime >> 32n;
  const fraction = report.ntpTime & 0xffff_ffffn;
  const ntpUs = Number(seconds * 1_000_000n + ((fraction * 1_000_000n) >> 32n));
  peer.noteClock(state.nowUs, ntpUs);
  stream.ingress.noteReport(report.rtpTimestamp, ntpUs);
}

function noteReportBlocks(
  state: ModelState,
  peer: ModelPeer,
  blocks: readonly { ssrc: number; fractionLost: number; cumulativeLost: number; jitterTicks: number }[],
): void {
  for (const { ssrc, fractionLost, cumulativeLost, jitterTicks } of blocks) {
    const egress = egressOf(peer, ssrc);
    if (egress === undefined) continue;
    const loss = { fractionLost: fractionLost / 256, cumulativeLost, jitterTicks };
    state.events.push({ type: 'receiver-report', egress: egress.id, ...loss });
  }
}

function passKeyFrameRequest(state: ModelState, peer: ModelPeer, mediaSsrc: number): void {
  const egress = egressOf(peer, mediaSsrc);
  const source = egress?.source ?? egress?.wish?.ingress;
  if (source !== undefined) state.needKeyFrame(source);
}

function answerNack(
  state: ModelState,
  peer: ModelPeer,
  mediaSsrc: number,
  sequences: readonly number[],
): void {
  const egress = egressOf(peer, mediaSsrc);
  if (egress === undefined) return;
  for (const sequence of sequences.slice(0, NACK_ITEMS * PACKETS_PER_ITEM)) {
    egress.countNack();
    if (peer.sender === undefined || peer.sendTo === undefined) continue;
    const bytes = egress.resend(state.nowUs, sequence);
    if (bytes !== undefined) state.transmit(peer.sendTo, peer.sender.protectRtp(bytes));
  }
}

function egressOf(peer: ModelPeer, ssrc: number): ModelEgress | undefined {
  return peer.egresses.find((egress) => egress.options.ssrc === ssrc);
}
