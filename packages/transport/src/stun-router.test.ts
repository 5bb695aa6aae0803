import { createHmac } from 'node:crypto';
import { IceAgent } from '@conclave/ice';
import { SeededRandom } from '@conclave/testkit';
import { expect, it } from 'vitest';
import { StunRouter } from './index.ts';

/** A request of the client's and the server's response to it. */
function exchange(): { readonly request: Uint8Array; readonly response: Uint8Array } {
  const agents = ['serverUfrag', 'clientUfrag'].map(
    (localUfrag, index) =>
      new IceAgent({
        role: index === 0 ? 'controlling' : 'controlled',
        localUfrag,
        localPwd: `${localUfrag}WithMoreCharacters`,
        transactionTag: 0x80000001 + index,
        random: new SeededRandom(index).bytes,
        hmacSha1: (key, data) => createHmac('sha1', key).update(data).digest(),
      }),
  );
  const [server, client] = agents as [IceAgent, IceAgent];
  const at = { socket: 1, address: '192.0.2.1', port: 4000, transport: 'udp' } as const;
  for (const [agent, other] of [
    [client, server],
    [server, client],
  ] as const) {
    agent.addLocalCandidate({ ...at, advertisedAddress: at.address });
    agent.setRemote(0, {
      ufrag: other.localUfrag,
      pwd: other.localPwd,
      candidates: [
        {
          foundation: '1',
          component: 1,
          transport: 'udp',
          priority: 1,
          address: '192.0.2.2',
          port: 9,
          type: 'host',
        },
      ],
    });
  }
  const request = client.pollTransmit()!.bytes;
  while (server.pollTransmit());
  server.handlePacket(1, { ...at, address: '192.0.2.2' }, request);
  return { request, response: server.pollTransmit()!.bytes };
}

it('finds the owner of requests by user name and of responses by transaction tag', () => {
  const { request, response } = exchange();
  const router = new StunRouter<string>();
  expect(router.route(request)).toBeUndefined();
  expect(router.add('serverUfrag', 0x80000001, 'server')).toBe(true);
  expect(router.add('clientUfrag', 0x80000002, 'client')).toBe(true);
  expect(router.route(request)).toBe('server');
  expect(router.route(response)).toBe('client');
  router.delete('serverUfrag', 0x80000001);
  expect(router.route(request)).toBeUndefined();
  expect(router.size).toBe(1);
});

it('keeps both names of an owner to itself', () => {
  const router = new StunRouter<string>();
  expect(router.add('name', 1, 'first')).toBe(true);
  expect(router.add('name', 2, 'second')).toBe(false);
  expect(router.add('other', 1, 'second')).toBe(false);
  expect(router.size).toBe(1);
  router.delete('name', 1);
  expect(router.size).toBe(0);
  expect(router.add('other', 1, 'second')).toBe(true);
});

it('finds nobody for junk, however it is cut', () => {
  const { request, response } = exchange();
  const router = new StunRouter<string>();
  router.add('serverUfrag', 0x80000001, 'server');
  const random = new SeededRandom(3);
  for (const whole of [request, response]) {
    for (let length = 0; length < whole.length; length++) router.route(whole.subarray(0, length));
  }
  for (let i = 0; i < 2000; i++) expect(router.route(random.bytes(random.below(200)))).toBeUndefined();
});
