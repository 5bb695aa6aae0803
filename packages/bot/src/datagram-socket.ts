import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** A bound UDP socket. */
export interface DatagramSocket {
  /** Address and port that it is bound to. */
  readonly address: string;
  readonly port: number;
  /** Sends one datagram; a failure is a loss. */
  send(bytes: Uint8Array, port: number, address: string): void;
  close(): void;
}

/** Takes one datagram, with where it came from. */
export type ReceiveDatagram = (bytes: Uint8Array, address: string, port: number) => void;

/** Opens a socket at an address of this machine. Rejects when it cannot be bound. */
export type OpenDatagramSocket = (address: string, receive: ReceiveDatagram) => Promise<DatagramSocket>;

/** Kernel buffers of a socket in bytes: a key frame comes in one burst. */
const SOCKET_BUFFER_BYTES = 1024 * 1024;

/** Opens a socket of the operating system, at a free port. */
export const openUdpSocket: OpenDatagramSocket = (address, receive) =>
  new Promise((resolve, reject) => {
    const family = isIPv6(address) ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Peers are addresses, never names: without a look-up a datagram is with the kernel before `send` returns.
      lookup: (target, _options, callback) => callback(null, target, family),
    });
    const refuse = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', refuse);
    socket.bind(0, address, () => {
      socket.off('error', refuse);
      // What the network reports about one datagram does not concern the others; ICE notices when none arrive.
      socket.on('error', () => undefined);
      socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
      socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
      socket.on('message', (bytes, from) => receive(bytes, from.address, from.port));
      let closed = false;
      resolve({
        address,
        port: socket.address().port,
        send(bytes, port, to) {
          if (!closed) socket.send(bytes, port, to, () => undefined);
        },
        close() {
          if (closed) return;
          closed = true;
          socket.close();
        },
      });
    });
  });

/** The address of this machine from which it would send to that one; undefined when there is no way. Sends nothing. */
export function localAddressTowards(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    const finish = (local: string | undefined): void => {
      socket.removeAllListeners();
      socket.close();
      resolve(local);
    };
    socket.once('error', () => finish(undefined));
    // The types do not say that a failure may come this way as well.
    socket.connect(port, address, (...failures: readonly unknown[]) => {
      finish(failures[0] === undefined ? socket.address().address : undefined);
    });
  });
}
