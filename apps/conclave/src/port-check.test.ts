import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { tryPort } from './port-check.ts';

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

describe('trying a port', () => {
  it('finds one that another program has, and leaves none taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    closers.push(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const wanted = { address: '127.0.0.1', port } as const;
    expect(await tryPort({ ...wanted, transport: 'tcp' })).toBe('EADDRINUSE');
    const socket = createSocket('udp4');
    closers.push(() => socket.close());
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const taken = { address: '127.0.0.1', port: socket.address().port, transport: 'udp' } as const;
    expect(await tryPort(taken)).toBe('EADDRINUSE');
    socket.close();
    closers.pop();
    expect(await tryPort(taken)).toBeUndefined();
    expect(await tryPort(taken)).toBeUndefined();
  });

  it('tells an address that this machine does not have', async () => {
    for (const transport of ['udp', 'tcp'] as const)
      expect(await tryPort({ address: '203.0.113.9', port: 5000, transport })).toBe('EADDRNOTAVAIL');
  });
});
