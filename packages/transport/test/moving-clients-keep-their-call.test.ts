import { expect, it } from 'vitest';
import { type Endpoint, isStun, TransportPair } from './transport-pair.ts';

const ELSEWHERE: Endpoint = { address: '203.0.113.77', port: 6000 };

function send(pair: TransportPair, from: 'server' | 'client', text: string): void {
  const side = pair[from];
  expect(pair.act((now) => side.transport.send(now, side.channel ?? -1, text))).toBe(true);
}

it('messages go on both ways when the client comes from another address', () => {
  const pair = new TransportPair();
  pair.connect();
  send(pair, 'client', 'from the old address');
  expect(pair.runUntil(() => pair.server.messages.length === 1, 1000)).toBe(true);
  pair.moveClient(ELSEWHERE);
  send(pair, 'client', 'from the new address');
  send(pair, 'server', 'to wherever you are');
  const arrived = () => pair.server.messages.length === 2 && pair.client.messages.length === 1;
  expect(pair.runUntil(arrived, 20_000)).toBe(true);
  expect(pair.server.sendTo).toMatchObject(ELSEWHERE);
  expect(pair.server.eventsOf('secured')).toHaveLength(1);
  expect(pair.server.failure).toBeUndefined();
});

it('a call survives ten moves in a bad network', () => {
  const bad = { loss: 0.05, delayMs: 30, jitterMs: 20 };
  const pair = new TransportPair({ up: { ...bad, seed: 3 }, down: { ...bad, seed: 4 } });
  pair.connect();
  for (let move = 1; move <= 10; move++) {
    const at = { address: '203.0.113.77', port: 6000 + move };
    pair.moveClient(at);
    send(pair, 'client', `up ${move}`);
    send(pair, 'server', `down ${move}`);
    const arrived = () => pair.server.messages.length === move && pair.client.messages.length === move;
    expect(pair.runUntil(arrived, 40_000), `move ${move}`).toBe(true);
    expect(pair.runUntil(() => pair.server.sendTo?.port === at.port, 20_000)).toBe(true);
  }
  expect(pair.client.messages.at(-1)).toBe('down 10');
  expect(pair.server.messages.at(-1)).toBe('up 10');
});

it('nothing but checks goes to an address that was not validated', () => {
  const pair = new TransportPair();
  pair.connect();
  pair.moveClient(ELSEWHERE);
  // Requests from the new address arrive, but no answer to ours ever does.
  pair.blocks = ({ from, to, bytes }) =>
    from.address === ELSEWHERE.address ? !(isStun(bytes) && bytes[0] === 0 && bytes[1] === 1) : to.port === 0;
  const before = pair.sent.length;
  send(pair, 'server', 'for nobody');
  pair.runFor(10_000);
  const toNew = pair.sent.slice(before).filter(({ to }) => to.address === ELSEWHERE.address);
  expect(toNew.length).toBeGreaterThan(0);
  expect(toNew.every(({ bytes }) => isStun(bytes))).toBe(true);
  expect(pair.server.valid.some(({ address }) => address === ELSEWHERE.address)).toBe(false);
});

it('without consent nothing is sent any more, and the transport ends', () => {
  const pair = new TransportPair();
  pair.connect();
  pair.blocks = ({ from }) => from.address !== '192.0.2.1';
  send(pair, 'server', 'is anybody there');
  expect(pair.runUntil(() => pair.server.failure !== undefined, 60_000)).toBe(true);
  expect(pair.server.failure).toContain('consent');
  expect(pair.server.valid).toEqual([]);
  const { length } = pair.sent;
  pair.runFor(1);
  const after = pair.sent.slice(length).filter(({ from }) => from.address === '192.0.2.1');
  expect(after).toEqual([]);
  expect(pair.server.transport.pollTimeout()).toBeUndefined();
});

it('a call goes on over a new TCP connection when the first one ends', () => {
  const pair = new TransportPair({ tcp: true });
  pair.connect();
  expect(pair.server.valid).toEqual([{ socket: 100, address: '198.51.100.9', port: 5000, transport: 'tcp' }]);
  pair.reconnectTcp({ address: '198.51.100.9', port: 5001 });
  expect(pair.server.valid).toEqual([]);
  expect(pair.server.sendTo).toBeUndefined();
  send(pair, 'server', 'into the gap');
  send(pair, 'client', 'from the new connection');
  const arrived = () => pair.server.messages.length === 1 && pair.client.messages.length === 1;
  expect(pair.runUntil(arrived, 30_000)).toBe(true);
  expect(pair.server.valid).toEqual([{ socket: 101, address: '198.51.100.9', port: 5001, transport: 'tcp' }]);
});

it('the end of the only TCP connection ends the transport when no other comes', () => {
  const pair = new TransportPair({ tcp: true });
  pair.connect();
  pair.blocks = ({ from }) => from.address !== '192.0.2.1';
  pair.reconnectTcp({ address: '198.51.100.9', port: 5001 });
  expect(pair.runUntil(() => pair.server.failure !== undefined, 60_000)).toBe(true);
});
