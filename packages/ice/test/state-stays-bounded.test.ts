import type { IceCandidate, IcePath } from '@conclave/ice';
import { expect, it } from 'vitest';
import { AgentUnderTest, mainCandidate, mainPath, theirs } from './scripted-peer.ts';

const from = (i: number): IcePath => ({
  socket: 1,
  address: `203.0.${(i >> 8) & 255}.${i & 255 || 1}`,
  port: 1024 + i,
  transport: 'udp',
});

it('10,000 candidates are cut to 50, and none but those is ever sent to', () => {
  const candidates: IceCandidate[] = Array.from({ length: 10_000 }, (_, i) => ({
    ...mainCandidate,
    address: `100.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
  }));
  const test = new AgentUnderTest().start(candidates);
  test.advance(14_000);
  expect(new Set(test.sent.map((s) => s.path.address)).size).toBe(50);
  expect(test.sent.length).toBeLessThanOrEqual(50 * 8);
});

it('unusable candidates are skipped without stalling the usable one behind them', () => {
  const bad = (address: string, more: Partial<IceCandidate> = {}): IceCandidate => ({
    ...mainCandidate,
    priority: 2 ** 31 - 1,
    address,
    ...more,
  });
  const candidates = [
    bad('5e2ae3f5-8f2c-4a83-8d0a-0a3fb3e9c3b8.local'),
    bad('host.example'),
    bad('0.0.0.0'),
    bad('::'),
    bad('224.0.0.251'),
    bad('ff02::fb'),
    bad('255.255.255.255'),
    bad('127.0.0.1'),
    bad('169.254.169.254'),
    bad('::ffff:127.0.0.1'),
    bad('::1'),
    bad('2001:db8::1'),
    bad('198.51.100.1', { port: 0 }),
    bad('198.51.100.1', { component: 2 }),
    bad('198.51.100.1', { transport: 'tcp', tcpType: 'active', port: 9 }),
    bad('x'.repeat(1000)),
    mainCandidate,
  ];
  const test = new AgentUnderTest().start(candidates);
  expect(test.sent.map((s) => s.path)).toEqual([mainPath]);
  expect(test.agent.stats.rejected['skipped-candidate']).toBe(16);
  test.advance(10_000);
  expect(test.sent.every((s) => s.path.address === mainPath.address)).toBe(true);
});

it('equal candidates make one pair', () => {
  const test = new AgentUnderTest().start([mainCandidate, { ...mainCandidate, priority: 5, type: 'srflx' }]);
  test.advance(140);
  expect(test.sent).toHaveLength(1);
});

it('checks from ten thousand ports are answered, and cost a bounded number of checks of ours', () => {
  const test = new AgentUnderTest().start();
  for (let i = 0; i < 10_000; i++) {
    expect(test.receive(test.request(), from(i))).toBe(true);
    if (i % 100 === 0) test.advance(1);
  }
  expect(test.agent.stats.requestsAnswered).toBe(10_000);
  test.sent.length = 0;
  test.advance(20_000);
  const targets = new Set(test.sent.map((s) => `${s.path.address} ${s.path.port}`));
  expect(targets.size).toBeLessThanOrEqual(100);
  expect(test.sent.length).toBeLessThanOrEqual(100 * 8);
});

it('a good path survives a flood of others', () => {
  const test = new AgentUnderTest().connect();
  for (let i = 0; i < 5000; i++) test.receive(test.request(), from(i));
  expect(test.agent.validPaths).toEqual([mainPath]);
  expect(test.agent.selectedPath).toEqual(mainPath);
});

it('at most 16 paths are valid at a time, the selected one among them', () => {
  const test = new AgentUnderTest().connect();
  for (let i = 0; i < 40; i++) {
    test.receive(test.request(), from(i));
    test.advance(25);
    test.receive(test.answerTo(test.lastRequest()), from(i));
  }
  expect(test.agent.validPaths).toHaveLength(16);
  expect(test.agent.selectedPath).toEqual(mainPath);
  expect(test.agent.validPaths).toContainEqual(mainPath);
  expect(test.agent.validPaths).toContainEqual(from(39));
});

it('paths before the answer are remembered up to the bound, and checked once it is known', () => {
  const test = new AgentUnderTest();
  for (let i = 0; i < 100; i++) expect(test.receive(test.request(), from(i))).toBe(true);
  expect(test.agent.stats.rejected['path-limit']).toBe(84);
  test.sent.length = 0;
  test.start([]);
  test.advance(1000);
  expect(new Set(test.sent.map((s) => s.path.port)).size).toBe(16);
});

it('early checks of another session of the peer are forgotten', () => {
  const test = new AgentUnderTest();
  test.receive(test.request({ username: 'oursUF:otherUF' }), from(1));
  test.receive(test.request(), from(2));
  test.sent.length = 0;
  test.start([]);
  test.advance(1000);
  expect(new Set(test.sent.map((s) => s.path.port))).toEqual(new Set([from(2).port]));
});

it('a second answer adds candidates with the same credentials and is ignored with others', () => {
  const test = new AgentUnderTest().start();
  const more = { ...mainCandidate, port: 5001 };
  test.agent.setRemote(0, { ...theirs, ufrag: 'otherUF', candidates: [{ ...mainCandidate, port: 5002 }] });
  test.agent.setRemote(0, { ...theirs, candidates: [more] });
  test.advance(100);
  expect(test.sent.map((s) => s.path.port)).toEqual([5000, 5001]);
  expect(test.agent.stats.rejected['credentials-changed']).toBe(1);
});

it('packets nobody fetches are dropped beyond a bound', () => {
  const test = new AgentUnderTest();
  const request = test.request();
  for (let i = 0; i < 1000; i++) test.agent.handlePacket(0, mainPath, request);
  let count = 0;
  while (test.agent.pollTransmit()) count++;
  expect(count).toBe(256);
  expect(test.agent.stats.transmitsDropped).toBe(744);
});
