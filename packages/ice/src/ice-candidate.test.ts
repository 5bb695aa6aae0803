import { FormatError } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCandidate, type IceCandidate, parseCandidate } from './ice-candidate.ts';

describe('parseCandidate', () => {
  it('reads what Chromium writes', () => {
    expect(
      parseCandidate(
        '640954183 1 udp 2122194687 127.0.0.1 43785 typ host generation 0 network-id 3 network-cost 50',
      ),
    ).toEqual({
      foundation: '640954183',
      component: 1,
      transport: 'udp',
      priority: 2122194687,
      address: '127.0.0.1',
      port: 43785,
      type: 'host',
    });
    expect(
      parseCandidate(
        'candidate:1 1 TCP 1518280447 FD00::2 9 typ srflx raddr 0.0.0.0 rport 0 tcptype active ufrag abcd',
      ),
    ).toEqual({
      foundation: '1',
      component: 1,
      transport: 'tcp',
      tcpType: 'active',
      priority: 1518280447,
      address: 'fd00::2',
      port: 9,
      type: 'srflx',
      relatedAddress: '0.0.0.0',
      relatedPort: 0,
    });
  });

  it('keeps host names and mDNS names as they are', () => {
    const name = '5e2ae3f5-8f2c-4a83-8d0a-0a3fb3e9c3b8.local';
    expect(parseCandidate(`1 1 udp 1 ${name} 5000 typ host`).address).toBe(name);
  });

  it.each([
    ['empty', ''],
    ['no type', '1 1 udp 1 192.0.2.1 5000'],
    ['unknown type', '1 1 udp 1 192.0.2.1 5000 typ other'],
    ['unknown transport', '1 1 ssltcp 1 192.0.2.1 5000 typ host'],
    ['port too high', '1 1 udp 1 192.0.2.1 65536 typ host'],
    ['negative port', '1 1 udp 1 192.0.2.1 -1 typ host'],
    ['priority too high', '1 1 udp 4294967296 192.0.2.1 5000 typ host'],
    ['priority no number', '1 1 udp x 192.0.2.1 5000 typ host'],
    ['component too high', '1 257 udp 1 192.0.2.1 5000 typ host'],
    ['foundation too long', `${'a'.repeat(33)} 1 udp 1 192.0.2.1 5000 typ host`],
    ['foundation with a bad character', 'a-b 1 udp 1 192.0.2.1 5000 typ host'],
    ['control characters', '1 1 udp 1 192.0.2.1\r\n 5000 typ host'],
    ['bad tcptype', '1 1 tcp 1 192.0.2.1 9 typ host tcptype x'],
    ['bad rport', '1 1 udp 1 192.0.2.1 9 typ srflx raddr 10.0.0.1 rport 70000'],
    ['too long', `1 1 udp 1 192.0.2.1 9 typ host ${'x y '.repeat(300)}`],
  ])('refuses a line that is: %s', (_name, line) => {
    expect(() => parseCandidate(line)).toThrow(FormatError);
  });

  it('never fails with anything but FormatError', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (line) => {
        try {
          parseCandidate(line);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});

describe('formatCandidate', () => {
  it('writes no more than needed', () => {
    const candidate: IceCandidate = {
      foundation: '1',
      component: 1,
      transport: 'udp',
      priority: 2130706431,
      address: '192.0.2.1',
      port: 40000,
      type: 'host',
    };
    expect(formatCandidate(candidate)).toBe('1 1 udp 2130706431 192.0.2.1 40000 typ host');
    expect(formatCandidate({ ...candidate, transport: 'tcp', tcpType: 'passive' })).toBe(
      '1 1 tcp 2130706431 192.0.2.1 40000 typ host tcptype passive',
    );
  });

  it('is undone by parseCandidate', () => {
    const arbitrary: fc.Arbitrary<IceCandidate> = fc.record(
      {
        foundation: fc.stringMatching(/^[A-Za-z0-9+/]{1,32}$/),
        component: fc.nat(256),
        transport: fc.constantFrom('udp', 'tcp'),
        tcpType: fc.constantFrom('active', 'passive', 'so'),
        priority: fc.nat(0x7fffffff),
        address: fc.constantFrom('192.0.2.1', '2001:db8::1', 'host.example', 'x.local'),
        port: fc.nat(65535),
        type: fc.constantFrom('host', 'srflx', 'prflx', 'relay'),
      },
      { requiredKeys: ['foundation', 'component', 'transport', 'priority', 'address', 'port', 'type'] },
    );
    fc.assert(
      fc.property(arbitrary, fc.boolean(), (candidate, isRelated) => {
        const whole = isRelated ? { ...candidate, relatedAddress: '10.0.0.1', relatedPort: 7 } : candidate;
        expect(parseCandidate(formatCandidate(whole))).toEqual(whole);
        expect(parseCandidate(`candidate:${formatCandidate(whole)}`)).toEqual(whole);
      }),
    );
  });
});
