import type { SocketId } from './flow-table.ts';
import { RecordReader } from './record-codec.ts';
import { relayTransports } from './relay-encoder.ts';
import type { RelaySent } from './relay-plane.ts';
import type {
  ConnectionId,
  IncomingId,
  RelayClient,
  RelayEndpoint,
  RelayEvent,
  RelayId,
  RelayTotals,
} from './relay-table.ts';

/** Record types, as in native/relay_table.h and native/relay_harness.cc. */
const type = {
  message: 1,
  clientClosed: 2,
  relayOpened: 3,
  relayFailed: 4,
  relayClosed: 5,
  icmp: 6,
  peerConnected: 7,
  peerClosed: 8,
  peerIncoming: 9,
  sentToClient: 100,
  sentToPeer: 101,
} as const;

/** Numbers of one relay in what the addon tells of totals. */
export const relayTotalsWidth = 10;

/** Totals of `relayTotalsWidth` numbers. */
export function relayTotalsOf(numbers: ArrayLike<number>): RelayTotals {
  return {
    relay: numbers[0] as RelayId,
    fromClientPackets: numbers[1]!,
    fromClientBytes: numbers[2]!,
    toClientPackets: numbers[3]!,
    toClientBytes: numbers[4]!,
    fromPeerPackets: numbers[5]!,
    fromPeerBytes: numbers[6]!,
    toPeerPackets: numbers[7]!,
    toPeerBytes: numbers[8]!,
    cappedPackets: numbers[9]!,
  };
}

function readEndpoint(r: RecordReader): RelayEndpoint {
  const { address, port } = r.path();
  return { address, port };
}

function readClient(r: RecordReader): RelayClient {
  const transport = relayTransports[r.u8()]!;
  const { socket, address, port } = r.path();
  return { transport, local: readEndpoint(r), remote: { address, port }, socket: socket as SocketId };
}

function readEvent(r: RecordReader): RelayEvent {
  r.u32();
  const kind = r.u8();
  switch (kind) {
    case type.message:
      return { type: 'message', client: readClient(r), bytes: r.bytes() };
    case type.clientClosed:
      return { type: 'client-closed', client: readClient(r) };
    case type.relayOpened:
      return { type: 'relay-opened', relay: r.u32() as RelayId, address: readEndpoint(r) };
    case type.relayFailed:
      return { type: 'relay-failed', relay: r.u32() as RelayId, reason: r.text() ?? '' };
    case type.relayClosed:
      return {
        type: 'relay-closed',
        totals: relayTotalsOf(Array.from({ length: relayTotalsWidth }, () => r.f64())),
      };
    case type.icmp: {
      const relay = r.u32() as RelayId;
      const peer = readEndpoint(r);
      return { type: 'icmp', relay, peer, icmp: { type: r.u8(), code: r.u8(), error: r.u32() } };
    }
    case type.peerConnected:
      return { type: 'peer-connected', connection: r.u32() as ConnectionId };
    case type.peerClosed:
      return { type: 'peer-closed', connection: r.u32() as ConnectionId };
    case type.peerIncoming: {
      const relay = r.u32() as RelayId;
      const incoming = r.f64() as IncomingId;
      return { type: 'peer-incoming', relay, incoming, peer: readEndpoint(r) };
    }
    default:
      throw new Error(`The forwarding addon and its facade differ: relay record of type ${kind}.`);
  }
}

/** Events of the addon's records, in order. */
export function readRelayEvents(records: Uint8Array): RelayEvent[] {
  const reader = new RecordReader(records);
  const events: RelayEvent[] = [];
  while (reader.more) events.push(readEvent(reader));
  return events;
}

/** Datagrams of the harness's records, in order. */
export function readRelaySent(records: Uint8Array): RelaySent[] {
  const r = new RecordReader(records);
  const sent: RelaySent[] = [];
  while (r.more) {
    r.u32();
    if (r.u8() === type.sentToClient) {
      sent.push({ to: 'client', client: readClient(r), bytes: r.bytes() });
      continue;
    }
    const relay = r.u32() as RelayId;
    const peer = readEndpoint(r);
    sent.push({ to: 'peer', relay, peer, dontFragment: r.u8() !== 0, bytes: r.bytes() });
  }
  return sent;
}
