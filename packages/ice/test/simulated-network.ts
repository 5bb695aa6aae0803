import type { IcePath } from '@conclave/ice';
import { seededRandom } from './seeded-random.ts';
import { VirtualClock } from './virtual-clock.ts';

/** One datagram or TCP frame on its way, as the network sees it: addresses after translation. */
export interface Packet {
  readonly transport: 'udp' | 'tcp';
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** What the links do to datagrams. TCP is delayed alike but neither lost nor reordered. */
export interface LinkOptions {
  seed?: number;
  /** One way. */
  delayMs?: number;
  /** Up to so much more; reorders when larger than the distance of packets. */
  jitterMs?: number;
  /** 0..1. */
  loss?: number;
  /** 0..1. */
  duplication?: number;
}

/** What a host lets the network call. */
export interface NetworkHost {
  receive(path: IcePath, bytes: Uint8Array): void;
  pathClosed(socket: number): void;
}

interface UdpSocket {
  readonly host: NetworkHost;
  readonly id: number;
  /** Where the outside sees it: `address port`. */
  outside: string;
}

interface TcpEnd {
  readonly host: NetworkHost;
  readonly path: IcePath;
  readonly self: string;
  lastArrivalMs: number;
}

/** Text of an address and port; a space keeps IPv6 readable. */
export function endpoint(address: string, port: number): string {
  return `${address} ${port}`;
}

/** Hosts, address translators and links between them, on one virtual clock; the same seed gives the same run. */
export class SimulatedNetwork {
  readonly clock = new VirtualClock();
  /** Every packet sent, whether or not it arrived. */
  readonly sent: (Packet & { at: number })[] = [];
  /** Packets for which one of these holds are lost. */
  readonly blocks: ((packet: Packet) => boolean)[] = [];
  readonly #sockets: UdpSocket[] = [];
  readonly #connections = new Map<string, { near: TcpEnd; far: TcpEnd }>();
  readonly #options: Required<LinkOptions>;
  readonly #random: () => number;
  #nextConnection = 1000;

  constructor(options: LinkOptions = {}) {
    this.#options = { seed: 1, delayMs: 20, jitterMs: 0, loss: 0, duplication: 0, ...options };
    this.#random = seededRandom(this.#options.seed);
  }

  /** Opens a UDP socket that the outside sees at this address. */
  openUdp(host: NetworkHost, id: number, address: string, port: number): void {
    this.#sockets.push({ host, id, outside: endpoint(address, port) });
  }

  /** The translator in front of the socket maps it to another address from now on; the old one is dead. */
  rebind(host: NetworkHost, id: number, address: string, port: number): void {
    const socket = this.#sockets.find((s) => s.host === host && s.id === id);
    if (!socket) throw new Error('no such socket');
    socket.outside = endpoint(address, port);
  }

  /** Opens a TCP connection at once; returns each side's path. */
  connect(client: NetworkHost, server: NetworkHost, from: [string, number], to: [string, number]): IcePath {
    const clientId = this.#nextConnection++;
    const serverId = this.#nextConnection++;
    const near: TcpEnd = {
      host: client,
      path: { socket: clientId, address: to[0], port: to[1], transport: 'tcp' },
      self: endpoint(...from),
      lastArrivalMs: 0,
    };
    const far: TcpEnd = {
      host: server,
      path: { socket: serverId, address: from[0], port: from[1], transport: 'tcp' },
      self: endpoint(...to),
      lastArrivalMs: 0,
    };
    this.#connections.set(`${clientId}`, { near, far });
    this.#connections.set(`${serverId}`, { near: far, far: near });
    return near.path;
  }

  /** Closes a connection from the side with this id; both sides hear of it. */
  disconnect(id: number): void {
    const connection = this.#connections.get(`${id}`);
    if (!connection) return;
    for (const end of [connection.near, connection.far]) {
      this.#connections.delete(`${end.path.socket}`);
      end.host.pathClosed(end.path.socket);
    }
  }

  /** Sends from a host's socket or connection. */
  send(host: NetworkHost, path: IcePath, bytes: Uint8Array): void {
    if (path.transport === 'tcp') this.#sendTcp(path, bytes);
    else this.#sendUdp(host, path, bytes);
  }

  /** Sends a datagram from anywhere: for forgers. */
  inject(from: string, to: string, bytes: Uint8Array): void {
    this.#route({ transport: 'udp', from, to, bytes });
  }

  #sendUdp(host: NetworkHost, path: IcePath, bytes: Uint8Array): void {
    const socket = this.#sockets.find((s) => s.host === host && s.id === path.socket);
    if (!socket) return;
    this.#route({ transport: 'udp', from: socket.outside, to: endpoint(path.address, path.port), bytes });
  }

  #route(packet: Packet): void {
    this.sent.push({ ...packet, at: this.clock.now });
    if (this.blocks.some((isBlocked) => isBlocked(packet))) return;
    const { loss, duplication } = this.#options;
    const copies = this.#random() < loss ? 0 : this.#random() < duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.clock.schedule(this.clock.now + this.#delay(), () => {
        const target = this.#sockets.find((s) => s.outside === packet.to);
        const [address = '', port = ''] = packet.from.split(' ');
        target?.host.receive(
          { socket: target.id, address, port: Number(port), transport: 'udp' },
          packet.bytes,
        );
      });
    }
  }

  #sendTcp(path: IcePath, bytes: Uint8Array): void {
    const connection = this.#connections.get(`${path.socket}`);
    if (!connection) return;
    const { near, far } = connection;
    const packet: Packet = { transport: 'tcp', from: near.self, to: far.self, bytes };
    this.sent.push({ ...packet, at: this.clock.now });
    if (this.blocks.some((isBlocked) => isBlocked(packet))) return;
    far.lastArrivalMs = Math.max(far.lastArrivalMs, this.clock.now + this.#delay());
    this.clock.schedule(far.lastArrivalMs, () => {
      if (this.#connections.has(`${far.path.socket}`)) far.host.receive(far.path, bytes);
    });
  }

  #delay(): number {
    return this.#options.delayMs + this.#random() * this.#options.jitterMs;
  }
}
