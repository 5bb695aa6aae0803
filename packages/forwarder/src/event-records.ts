import type { EgressId, ForwarderEvent, IngressId, Path, PeerId, SocketId } from './flow-table.ts';
import { RecordReader } from './record-codec.ts';

/** Record types, as in native/event_queue.h. */
const stun = 1;
const dtls = 2;
const pathClosed = 3;
const unknownSsrc = 4;
const audioOnset = 5;
const keyFrameNeeded = 6;
const switched = 7;
const switchDeadline = 8;
const receiverReport = 9;

function readUnknownSsrc(r: RecordReader): ForwarderEvent {
  const peer = r.u32() as PeerId;
  const ssrc = r.u32();
  const payloadType = r.u8();
  const rid = r.text();
  const mid = r.text();
  return {
    type: 'unknown-ssrc',
    peer,
    ssrc,
    payloadType,
    ...(rid === undefined ? {} : { rid }),
    ...(mid === undefined ? {} : { mid }),
  };
}

function readReceiverReport(r: RecordReader): ForwarderEvent {
  const egress = r.u32() as EgressId;
  // The fraction's unit on the wire is 1/256.
  const fractionLost = r.u8() / 256;
  const cumulativeLost = r.i32();
  const jitterTicks = r.u32();
  const roundTripMs = r.f64();
  return {
    type: 'receiver-report',
    egress,
    fractionLost,
    cumulativeLost,
    jitterTicks,
    ...(roundTripMs < 0 ? {} : { roundTripMs }),
  };
}

function readEvent(r: RecordReader): ForwarderEvent {
  r.u32();
  const type = r.u8();
  switch (type) {
    case stun:
      return { type: 'stun', path: r.path(), bytes: r.bytes() };
    case dtls:
      return { type: 'dtls', peer: r.u32() as PeerId, path: r.path(), bytes: r.bytes() };
    case pathClosed:
      return { type: 'path-closed', socket: r.f64() as SocketId };
    case unknownSsrc:
      return readUnknownSsrc(r);
    case audioOnset:
      return { type: 'audio-onset', ingress: r.u32() as IngressId };
    case keyFrameNeeded:
      return { type: 'key-frame-needed', ingress: r.u32() as IngressId };
    case switched:
      return { type: 'switched', egress: r.u32() as EgressId, ingress: r.u32() as IngressId };
    case switchDeadline:
      return { type: 'switch-deadline', egress: r.u32() as EgressId, ingress: r.u32() as IngressId };
    case receiverReport:
      return readReceiverReport(r);
    default:
      throw new Error(`The forwarding addon and its facade differ: event record of type ${type}.`);
  }
}

/** Events of the addon's records, in order. */
export function readEvents(records: Uint8Array): ForwarderEvent[] {
  const reader = new RecordReader(records);
  const events: ForwarderEvent[] = [];
  while (reader.more) events.push(readEvent(reader));
  return events;
}

/** Datagrams of the harness's records, in order. */
export function readSent(records: Uint8Array): { path: Path; bytes: Uint8Array }[] {
  const reader = new RecordReader(records);
  const sent: { path: Path; bytes: Uint8Array }[] = [];
  while (reader.more) {
    reader.u32();
    reader.u8();
    sent.push({ path: reader.path(), bytes: reader.bytes() });
  }
  return sent;
}
