import { expect, test } from 'vitest';
import { generateDtlsIdentity } from '../src/index.ts';
import { connectedOf, handshake, makeEnd, pump } from './dtls-pair.ts';

/** Opens and ends pairs of sessions: orderly, abruptly, in the middle, and by a failed handshake. */
function openAndClose(pairs: number): void {
  const identity = generateDtlsIdentity();
  for (let i = 0; i < pairs; i++) {
    const server = makeEnd('server', { identity });
    const client = makeEnd('client', { identity });
    const kind = i % 4;
    let sent = 0;
    handshake(server, client, (datagram) => {
      sent++;
      if (kind === 2 && sent > 2) return [];
      if (kind !== 3 || sent !== 2) return [datagram];
      const altered = datagram.slice();
      altered[200]! ^= 1;
      return [altered];
    });
    if (kind < 2) expect(connectedOf(server)).toBeDefined();
    client.session.close();
    if (kind !== 1) pump(server, client);
    server.session.close();
  }
}

test('memory stays where it is while 500 pairs of sessions come and go', () => {
  openAndClose(100);
  const grownBytes = Array.from({ length: 4 }, () => {
    const before = process.memoryUsage.rss();
    openAndClose(125);
    return process.memoryUsage.rss() - before;
  });
  // The smallest growth of the rounds, for the JavaScript heap grows in steps of its own. A session takes some 50 kB:
  // were they kept, every round would grow by 12 MB.
  expect(Math.min(...grownBytes)).toBeLessThan(4e6);
});
