import { describe, expect, it } from 'vitest';
import { createAddressResolver, isAddressBlock, plainAddress, rateLimitKey } from './client-address.ts';

describe('rateLimitKey', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
    ['', 'unknown'],
    ['nonsense', 'unknown'],
  ])('of %s is %s', (address, key) => {
    expect(rateLimitKey(address)).toBe(key);
  });
});

describe('createAddressResolver', () => {
  const resolve = createAddressResolver(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);

  it.each([
    ['203.0.113.1', undefined, '203.0.113.1'],
    // Not a trusted peer: what it says of itself is not believed.
    ['203.0.113.1', '198.51.100.1', '203.0.113.1'],
    ['10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['fd00::1', '2001:db8::1', '2001:db8::1'],
    // The client wrote the first entry, the proxy added the second.
    ['10.1.2.3', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['10.1.2.3', '198.51.100.1, 10.9.9.9', '198.51.100.1'],
    ['192.0.2.7', '198.51.100.1:4711', '198.51.100.1'],
    ['10.1.2.3', '[2001:db8::1]:4711', '2001:db8::1'],
    ['10.1.2.3', 'unknown', '10.1.2.3'],
    ['10.1.2.3', '', '10.1.2.3'],
    ['10.1.2.3', '198.51.100.1, junk', '10.1.2.3'],
    ['10.1.2.3', Array(100).fill('10.0.0.1').join(','), '10.0.0.1'],
    ['11.0.0.1', '198.51.100.1', '11.0.0.1'],
    ['192.0.2.8', '198.51.100.1', '192.0.2.8'],
    ['', '198.51.100.1', 'unknown'],
  ])('peer %s saying %s is %s', (peer, forwarded, address) => {
    expect(resolve(peer, forwarded)).toBe(address);
  });

  it('believes nobody when none is trusted', () => {
    expect(createAddressResolver([])('10.1.2.3', '198.51.100.1')).toBe('10.1.2.3');
  });

  it.each([
    ['10.0.0.0/8', true],
    ['10.0.0.0/0', true],
    ['10.0.0.0/33', false],
    ['fd00::/129', false],
    ['fd00::/128', true],
    ['10.0.0.0/', false],
    ['host', false],
    ['', false],
  ])('%s names a block: %s', (text, expected) => {
    expect(isAddressBlock(text)).toBe(expected);
    if (!expected) expect(() => createAddressResolver([text])).toThrow(TypeError);
  });

  it('compares whole bits', () => {
    const within = createAddressResolver(['10.64.0.0/10', '2001:db8::/33']);
    expect(within('10.127.255.255', '1.1.1.1')).toBe('1.1.1.1');
    expect(within('10.128.0.0', '1.1.1.1')).toBe('10.128.0.0');
    expect(within('2001:db8:7fff::1', '1.1.1.1')).toBe('1.1.1.1');
    expect(within('2001:db8:8000::1', '1.1.1.1')).toBe('2001:db8:8000::1');
  });
});

describe('plainAddress', () => {
  it('has one text for one address', () => {
    expect(plainAddress('2001:DB8:0:0::1')).toBe('2001:db8::1');
    expect(plainAddress('::ffff:1.2.3.4')).toBe('1.2.3.4');
    expect(plainAddress('x')).toBeUndefined();
  });
});
