import { expect, it } from 'vitest';
import { LocalCandidates } from './local-candidates.ts';

it('gives equal foundations to what shares type, address and transport, and other ones to the rest', () => {
  const locals = new LocalCandidates();
  const add = (socket: number, advertisedAddress: string, transport: 'udp' | 'tcp'): string =>
    locals.add({ socket, address: '0.0.0.0', advertisedAddress, port: 40000 + socket, transport }).candidate
      .foundation;
  expect(add(1, '192.0.2.1', 'udp')).toBe('1');
  expect(add(2, '192.0.2.1', 'udp')).toBe('1');
  expect(add(3, '192.0.2.1', 'tcp')).toBe('2');
  expect(add(4, '192.0.2.2', 'udp')).toBe('3');
});

it('advertises the public address and finds candidates by socket and family', () => {
  const locals = new LocalCandidates();
  const four = locals.add({
    socket: 1,
    address: '10.0.0.4',
    advertisedAddress: '192.0.2.1',
    port: 4,
    transport: 'udp',
  });
  const six = locals.add({
    socket: 1,
    address: '::',
    advertisedAddress: '2001:DB8::1',
    port: 4,
    transport: 'udp',
  });
  const tcp = locals.add({
    socket: 1,
    address: '10.0.0.4',
    advertisedAddress: '192.0.2.1',
    port: 4,
    transport: 'tcp',
  });
  expect(four.candidate.address).toBe('192.0.2.1');
  expect(six.candidate.address).toBe('2001:db8::1');
  expect(tcp.candidate.tcpType).toBe('passive');
  const path = { socket: 1, address: '198.51.100.1', port: 9, transport: 'udp' } as const;
  expect(locals.forPath(path)).toBe(four);
  expect(locals.forPath({ ...path, address: '2001:db8::9' })).toBe(six);
  expect(locals.forPath({ ...path, socket: 2 })).toBeUndefined();
  expect(locals.forPath({ ...path, socket: 77, transport: 'tcp' })).toBe(tcp);
});

it('has one base per socket and family', () => {
  const locals = new LocalCandidates();
  const options = { socket: 1, address: '0.0.0.0', port: 4, transport: 'udp' } as const;
  const first = locals.add({ ...options, advertisedAddress: '192.0.2.1' });
  locals.add({ ...options, advertisedAddress: '10.0.0.1' });
  locals.add({ ...options, advertisedAddress: '10.0.0.1', transport: 'tcp' });
  const other = locals.add({ ...options, socket: 2, advertisedAddress: '10.0.0.1' });
  expect(locals.bases()).toEqual([first, other]);
});

it('refuses addresses and ports that are none', () => {
  const options = { socket: 1, address: '0.0.0.0', transport: 'udp' } as const;
  const locals = new LocalCandidates();
  expect(() => locals.add({ ...options, advertisedAddress: 'host.example', port: 1 })).toThrow(TypeError);
  expect(() => locals.add({ ...options, advertisedAddress: '192.0.2.1', port: 0 })).toThrow(RangeError);
  expect(() => locals.add({ ...options, advertisedAddress: '192.0.2.1', port: 65536 })).toThrow(RangeError);
});
