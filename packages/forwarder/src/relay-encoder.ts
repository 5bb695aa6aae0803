import { type IpFamily, ipFamily } from '@conclave/bytes';
import type { SocketId } from './flow-table.ts';
import { RecordWriter } from './record-codec.ts';
import type {
  ConnectionId,
  IncomingId,
  RelayClient,
  RelayEndpoint,
  RelayId,
  RelayRequest,
  RelayTable,
  RelayTransport,
} from './relay-table.ts';

/** Operations, as in native/relay_command.cc. */
const operation = {
  openRelay: 1,
  closeRelay: 2,
  addPermission: 3,
  removePermission: 4,
  bindChannel: 5,
  unbindChannel: 6,
  sendToPeer: 7,
  send: 8,
  closeClient: 9,
  connectPeer: 10,
  acceptPeer: 11,
  refusePeer: 12,
  joinConnection: 13,
  closeConnection: 14,
} as const;

/** In the order of the enumeration in native/relay_types.h. */
export const relayTransports: readonly RelayTransport[] = ['udp', 'tcp', 'tls', 'dtls'];

/** Largest message or datagram the relay plane takes. */
const maxMessageBytes = 2048;
const firstChannel = 0x4000;
const lastChannel = 0x7fff;
/** As in native/relay_thread.h: the low bits of a socket's id are the thread that owns it. */
const maxThreads = 64;
const noSocket = 0 as SocketId;

function uint32(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value;
  throw new TypeError(`${name} must be an integer from 0 to 4294967295, not ${value}`);
}

/** Where what hangs on a relay lives. */
interface OpenRelay {
  readonly thread: number;
  readonly family: IpFamily;
  /** An id under which a port is held for later, until it is opened or closed. */
  readonly held: RelayId | undefined;
}

/** Writes a client for the addon. Throws `TypeError` unless its parts are valid. */
export function writeRelayClient(w: RecordWriter, client: RelayClient): RecordWriter {
  const { socket, local, remote } = client;
  if (socket === undefined) throw new TypeError('the client is not one that an event of this plane brought');
  const transport = relayTransports.indexOf(client.transport);
  if (transport < 0) throw new TypeError(`not a transport: ${client.transport}`);
  return w
    .u8(transport)
    .path({ ...remote, socket })
    .path({ ...local, socket: noSocket });
}

/** Checks rules and writes them as records, and knows which thread each concerns. */
export class RelayEncoder implements RelayTable {
  readonly #post: (thread: number, record: Uint8Array) => void;
  readonly #writer = new RecordWriter();
  readonly #relays = new Map<RelayId, OpenRelay>();
  /** Thread of each port that is held for later; any thread can give it up. */
  readonly #held = new Map<RelayId, number>();
  readonly #connections = new Map<
    ConnectionId,
    { readonly relay: RelayId | undefined; readonly thread: number }
  >();

  constructor(post: (thread: number, record: Uint8Array) => void) {
    this.#post = post;
  }

  send(client: RelayClient, bytes: Uint8Array): void {
    checkLength(bytes, 1);
    const w = writeRelayClient(this.#writer.begin(operation.send), client).bytes(bytes);
    this.#post(threadOf(client), w.finish());
  }

  closeClient(client: RelayClient): void {
    const w = writeRelayClient(this.#writer.begin(operation.closeClient), client);
    this.#post(threadOf(client), w.finish());
  }

  openRelay(relay: RelayId, request: RelayRequest): void {
    const { client, reserveNextAs, maxBytesPerSecond, family } = request;
    if (family !== 4 && family !== 6) throw new TypeError(`not an IP version: ${family}`);
    if (!Number.isFinite(maxBytesPerSecond) || maxBytesPerSecond < 0) {
      throw new TypeError(`maxBytesPerSecond must be 0 or more, not ${maxBytesPerSecond}`);
    }
    const flags =
      (request.transport === 'tcp' ? 1 : 0) |
      (family === 6 ? 2 : 0) |
      (request.evenPort ? 4 : 0) |
      (reserveNextAs === undefined ? 0 : 8) |
      (request.reserved ? 16 : 0);
    const w = this.#writer.begin(operation.openRelay).u32(uint32('relay', relay));
    writeRelayClient(w, client)
      .u8(flags)
      .u32(uint32('reserveNextAs', reserveNextAs ?? 0))
      .f64(maxBytesPerSecond);
    if (this.#relays.has(relay)) return;
    const thread = threadOf(client);
    this.#held.delete(relay);
    this.#relays.set(relay, { thread, family, held: reserveNextAs });
    if (reserveNextAs !== undefined) this.#held.set(reserveNextAs, thread);
    this.#post(thread, w.finish());
  }

  closeRelay(relay: RelayId): void {
    const thread = this.#relays.get(relay)?.thread ?? this.#held.get(relay);
    if (thread === undefined) return;
    this.forget(relay);
    this.#held.delete(relay);
    this.#post(thread, this.#writer.begin(operation.closeRelay).u32(relay).finish());
  }

  addPermission(relay: RelayId, peer: string): void {
    this.#permission(operation.addPermission, relay, peer);
  }

  removePermission(relay: RelayId, peer: string): void {
    this.#permission(operation.removePermission, relay, peer);
  }

  bindChannel(relay: RelayId, channel: number, peer: RelayEndpoint): void {
    const w = this.#ofRelay(operation.bindChannel, relay, peer).u16(channelNumber(channel));
    this.#postForRelay(relay, w);
  }

  unbindChannel(relay: RelayId, channel: number): void {
    const w = this.#writer
      .begin(operation.unbindChannel)
      .u32(uint32('relay', relay))
      .u16(channelNumber(channel));
    this.#postForRelay(relay, w);
  }

  sendToPeer(relay: RelayId, peer: RelayEndpoint, bytes: Uint8Array, dontFragment: boolean): void {
    checkLength(bytes, 0);
    const w = this.#ofRelay(operation.sendToPeer, relay, peer)
      .u8(dontFragment ? 1 : 0)
      .bytes(bytes);
    this.#postForRelay(relay, w);
  }

  connectPeer(relay: RelayId, connection: ConnectionId, peer: RelayEndpoint): void {
    const w = this.#ofRelay(operation.connectPeer, relay, peer).u32(uint32('connection', connection));
    const thread = this.#relays.get(relay)?.thread;
    if (thread === undefined) return;
    this.#connections.set(connection, { relay, thread });
    this.#post(thread, w.finish());
  }

  acceptPeer(incoming: IncomingId, connection: ConnectionId): void {
    const w = this.#writer.begin(operation.acceptPeer).f64(incoming).u32(uint32('connection', connection));
    const thread = incoming % maxThreads;
    this.#connections.set(connection, { relay: undefined, thread });
    this.#post(thread, w.finish());
  }

  refusePeer(incoming: IncomingId): void {
    this.#post(incoming % maxThreads, this.#writer.begin(operation.refusePeer).f64(incoming).finish());
  }

  joinConnection(connection: ConnectionId, client: RelayClient): void {
    const w = writeRelayClient(this.#writer.begin(operation.joinConnection), client);
    const known = this.#connections.get(connection);
    if (known === undefined) return;
    this.#post(threadOf(client), w.u32(connection).u8(known.thread).finish());
  }

  closeConnection(connection: ConnectionId): void {
    const known = this.#connections.get(connection);
    if (known === undefined) return;
    this.#connections.delete(connection);
    this.#post(known.thread, this.#writer.begin(operation.closeConnection).u32(connection).finish());
  }

  /** The plane told that the relay is gone. */
  forget(relay: RelayId): void {
    const known = this.#relays.get(relay);
    if (known === undefined) return;
    this.#relays.delete(relay);
    for (const [id, connection] of this.#connections) {
      if (connection.relay === relay) this.#connections.delete(id);
    }
  }

  /** The plane told that the relay could not be opened, nor the port be held. */
  forgetFailed(relay: RelayId): void {
    const held = this.#relays.get(relay)?.held;
    if (held !== undefined) this.#held.delete(held);
    this.forget(relay);
  }

  /** The plane told that the connection is gone. */
  forgetConnection(connection: ConnectionId): void {
    this.#connections.delete(connection);
  }

  #permission(code: number, relay: RelayId, peer: string): void {
    this.#postForRelay(relay, this.#ofRelay(code, relay, { address: peer, port: 0 }));
  }

  #ofRelay(code: number, relay: RelayId, peer: RelayEndpoint): RecordWriter {
    const w = this.#writer
      .begin(code)
      .u32(uint32('relay', relay))
      .path({ ...peer, socket: noSocket });
    const known = this.#relays.get(relay);
    if (known !== undefined && ipFamily(peer.address) !== known.family) {
      throw new TypeError(`the relay is of IPv${known.family}, the peer is not`);
    }
    return w;
  }

  #postForRelay(relay: RelayId, w: RecordWriter): void {
    const known = this.#relays.get(relay);
    if (known !== undefined) this.#post(known.thread, w.finish());
  }
}

function threadOf(client: RelayClient): number {
  return client.socket! % maxThreads;
}

function channelNumber(channel: number): number {
  if (Number.isInteger(channel) && channel >= firstChannel && channel <= lastChannel) return channel;
  throw new TypeError(`a channel number is from 0x4000 to 0x7fff, not ${channel}`);
}

function checkLength(bytes: Uint8Array, least: number): void {
  if (bytes.length >= least && bytes.length <= maxMessageBytes) return;
  throw new TypeError(`a message has from ${least} to ${maxMessageBytes} bytes, not ${bytes.length}`);
}
