import { NodeClient } from '@conclave/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { FederatedServers } from './federation.ts';
import { UdpRelay } from './udp-relay.ts';

const CONVERSATION = 'demand';
const PEOPLE = 20;
const VIDEO_PAYLOAD_TYPE = 100;

let federation: FederatedServers;
const clients: NodeClient[] = [];

beforeAll(async () => {
  federation = await FederatedServers.create();
});

afterAll(async () => {
  for (const client of clients) client.close();
  await federation?.close();
});

test('of twenty cameras behind a link only the one that is watched crosses it', async () => {
  const alpha = await federation.start('alpha.example', ['beta.example']);
  const beta = await federation.start('beta.example', ['alpha.example']);
  for (let i = 0; i < PEOPLE; i++) {
    const client = new NodeClient({ sft: alpha.url, conversation: CONVERSATION, video: 'single' });
    clients.push(client);
    await client.join();
  }
  const { url, sft_tuple: tuple } = clients[0]!.setup as { url?: string; sft_tuple?: string };
  const relay = await UdpRelay.create(Number(tuple?.split(':')[1]));
  const bob = new NodeClient({
    sft: beta.url,
    conversation: CONVERSATION,
    request: { sft_url: url, sft_tuple: `127.0.0.1:${relay.port}` },
  });
  clients.push(bob);
  await bob.join();
  await bob.until('everybody in the list', () => bob.roster.length === PEOPLE + 1);

  const watched = clients[7]!;
  const cameras = setInterval(() => {
    for (const client of clients) if (client !== bob) client.sendVideo('key');
  }, 50);
  try {
    bob.watch(watched.userId);
    const seen = () =>
      [...bob.received.values()].reduce((sum, stream) => sum + (stream.packets > 5 ? stream.packets : 0), 0);
    await bob.until('the watched camera', () => seen() > 20);
    const before = { received: seen(), passed: relay.passed.length };
    await bob.until('three more seconds of it', () => seen() >= before.received + 60);
    const media = relay.passed
      .slice(before.passed)
      .filter(({ toServer, bytes }) => !toServer && (bytes[1]! & 0x7f) === VIDEO_PAYLOAD_TYPE);
    const sources = new Set(media.map(({ bytes }) => bytes.readUInt32BE(8)));
    expect(sources.size).toBe(1);
    expect(media.length).toBeLessThanOrEqual(1.1 * (seen() - before.received) + 2);

    bob.watch();
    const quietSince = await eventually(
      'nothing crosses any more',
      async () => {
        const at = relay.passed.length;
        await bob.ping();
        await watched.ping();
        return relay.passed
          .slice(at)
          .some(
            ({ toServer, bytes }) =>
              !toServer && bytes[0]! >= 128 && (bytes[1]! & 0x7f) === VIDEO_PAYLOAD_TYPE,
          );
      },
      (crossing) => !crossing,
    );
    expect(quietSince).toBe(false);
  } finally {
    clearInterval(cameras);
    relay.close();
  }
});
