import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { SrtpKeys } from '@conclave/forwarder';

/** Where a client's datagrams come from and go to. */
export interface ClientSocket {
  readonly port: number;
  send(bytes: Uint8Array, port: number, address: string): void;
  close(): void;
  /** Told the keys, by a client that leaves media to its socket. */
  secured?(keys: SrtpKeys): void;
}

/** Opens a socket on a local address and hands on what it receives. */
export type OpenClientSocket = (
  address: string,
  onMessage: (bytes: Uint8Array, address: string, port: number) => void,
) => ClientSocket | Promise<ClientSocket>;

/** A UDP socket of Node's, with any free port. */
export const openUdpSocket: OpenClientSocket = async (address, onMessage) => {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (bytes, from) => onMessage(bytes, from.address, from.port));
  socket.bind(0, address);
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    send: (bytes, port, to) => socket.send(bytes, port, to),
    close: () => socket.close(),
  };
};
