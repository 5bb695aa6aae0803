import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { localAddressTowards, openUdpSocket } from './datagram-socket.ts';

it('finds the own address that leads to another, and none where there is no way', async () => {
  expect(await localAddressTowards('127.0.0.1', 9)).toBe('127.0.0.1');
  // The kernel refuses to connect to this one without being asked for broadcasts.
  expect(await localAddressTowards('255.255.255.255', 9)).toBeUndefined();
});

it('sends and receives, also what is handed in just before it closes', async () => {
  const other = createSocket('udp4');
  other.bind(0, '127.0.0.1');
  await once(other, 'listening');
  const arrived: string[] = [];
  const socket = await openUdpSocket('127.0.0.1', (bytes) => arrived.push(Buffer.from(bytes).toString()));
  const heard = once(other, 'message');
  socket.send(Buffer.from('goodbye'), other.address().port, '127.0.0.1');
  socket.close();
  socket.send(Buffer.from('too late'), other.address().port, '127.0.0.1');
  socket.close();
  const [bytes, from] = await heard;
  expect(String(bytes)).toBe('goodbye');
  expect(from).toMatchObject({ address: socket.address, port: socket.port });
  expect(arrived).toEqual([]);
  other.close();
});

it('rejects an address that is not of this machine', async () => {
  await expect(openUdpSocket('192.0.2.1', () => undefined)).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
});
