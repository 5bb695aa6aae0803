import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { causeOf } from '@conclave/service';

/** A port that a program wants to listen on. */
export interface WantedPort {
  readonly address: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
}

/**
 * Tries to listen on a port for a moment. Resolves to undefined when that works, otherwise to the system's reason:
 * `EADDRINUSE` (another program has it), `EACCES` (ports below 1024 need a right), `EADDRNOTAVAIL` (no address of
 * this machine), or another.
 */
export async function tryPort(wanted: WantedPort): Promise<string | undefined> {
  const { address, port, transport } = wanted;
  if (transport === 'udp') {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    try {
      socket.bind({ address, port, exclusive: true });
      await once(socket, 'listening');
      return undefined;
    } catch (error) {
      return causeOf(error);
    } finally {
      socket.close();
    }
  }
  const server = createServer();
  try {
    server.listen({ host: address, port, exclusive: true });
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    return causeOf(error);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
