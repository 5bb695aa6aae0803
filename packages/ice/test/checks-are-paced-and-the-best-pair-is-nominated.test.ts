import { expect, it } from 'vitest';
import { AgentUnderTest, isNomination, mainCandidate, mainPath } from './scripted-peer.ts';

const low = { ...mainCandidate, port: 5001, priority: 1_000_000 };
const lowPath = { ...mainPath, port: 5001 };

it('starts one check each 20 ms and repeats each after 150, 450, 1050 ms and so on', () => {
  const test = new AgentUnderTest().start([mainCandidate, low]);
  test.advance(10_000);
  const times = (port: number): number[] => test.sent.filter((s) => s.path.port === port).map((s) => s.at);
  expect(times(5000)).toEqual([0, 150, 450, 1050, 2250, 3850, 5450, 7050]);
  expect(times(5001)).toEqual(times(5000).map((at) => at + 20));
  const id = (i: number): string =>
    String(test.sent.filter((s) => s.path.port === 5000)[i]?.message.transactionId);
  expect(id(7)).toBe(id(0));
});

it('nominates the best pair at once', () => {
  const test = new AgentUnderTest().start([mainCandidate, low]);
  test.receive(test.answerTo(test.sent[0]!.message));
  expect(test.sent.at(-1)?.path).toEqual(mainPath);
  expect(isNomination(test.lastRequest())).toBe(true);
});

it('waits 150 ms for a better pair, then nominates the one it has', () => {
  const test = new AgentUnderTest().start([mainCandidate, low]);
  test.advance(100);
  const check = test.sent.find((s) => s.path.port === 5001)!;
  test.receive(test.answerTo(check.message), lowPath);
  expect(test.agent.selectedPath).toEqual(lowPath);
  test.advance(149);
  expect(test.sent.some((s) => isNomination(s.message))).toBe(false);
  test.advance(1);
  expect(test.sent.filter((s) => isNomination(s.message)).map((s) => s.path)).toEqual([lowPath]);
});

it('nominates the better pair when it comes up in time', () => {
  const test = new AgentUnderTest().start([mainCandidate, low]);
  test.advance(100);
  test.receive(test.answerTo(test.sent.find((s) => s.path.port === 5001)!.message), lowPath);
  test.advance(100);
  test.receive(test.answerTo(test.sent.find((s) => s.path.port === 5000)!.message));
  expect(test.agent.selectedPath).toEqual(mainPath);
  expect(test.sent.filter((s) => isNomination(s.message)).map((s) => s.path)).toEqual([mainPath]);
});

it('does not change a settled nomination for a better pair that comes late', () => {
  const test = new AgentUnderTest().start([mainCandidate, low]);
  test.advance(100);
  test.receive(test.answerTo(test.sent.find((s) => s.path.port === 5001)!.message), lowPath);
  test.advance(200);
  test.receive(test.answerTo(test.lastRequest()), lowPath);
  test.receive(test.answerTo(test.sent.findLast((s) => s.path.port === 5000)!.message));
  test.advance(1000);
  expect(test.agent.validPaths).toHaveLength(2);
  expect(test.agent.selectedPath).toEqual(lowPath);
});

it('a nomination without answer is repeated and then gives way to another pair', () => {
  const test = new AgentUnderTest().start([mainCandidate, low]);
  test.advance(100);
  test.receive(test.answerTo(test.sent.find((s) => s.path.port === 5001)!.message), lowPath);
  test.receive(test.answerTo(test.sent.find((s) => s.path.port === 5000)!.message));
  const nominations = () => test.sent.filter((s) => isNomination(s.message));
  test.advance(1000);
  expect(nominations().length).toBeGreaterThan(1);
  expect(nominations().every((s) => s.path.port === 5000)).toBe(true);
  // The other path answers whenever it is asked.
  for (let i = 0; i < 100 && test.agent.selectedPath?.port !== 5001; i++) {
    test.advance(50);
    const last = test.sent.at(-1)!;
    if (last.path.port === 5001) test.receive(test.answerTo(last.message), lowPath);
  }
  expect(test.agent.selectedPath).toEqual(lowPath);
  expect(nominations().at(-1)?.path).toEqual(lowPath);
});

it('leaves the worse candidates alone once one is nominated', () => {
  const worse = Array.from({ length: 20 }, (_, i) => ({ ...low, port: 6000 + i }));
  const test = new AgentUnderTest().start([mainCandidate, ...worse]);
  test.advance(45);
  test.receive(test.answerTo(test.sent[0]!.message));
  test.receive(test.answerTo(test.lastRequest()));
  const before = test.sent.length;
  test.advance(3000);
  expect(test.sent.slice(before)).toEqual([]);
});

it('a check of the peer goes before the untried candidates, and brings its path up first', () => {
  const many = Array.from({ length: 20 }, (_, i) => ({ ...mainCandidate, port: 6000 + i }));
  const test = new AgentUnderTest().start(many);
  test.receive(test.request(), mainPath);
  test.advance(20);
  expect(test.sent.at(-1)?.path).toEqual(mainPath);
});

it('checks of the peer on a pair being checked repeat our request, at most each 150 ms', () => {
  const test = new AgentUnderTest().start();
  for (let i = 0; i < 20; i++) {
    test.advance(48);
    test.receive(test.request());
  }
  const requests = test.sent.filter((s) => s.message.class === 'request');
  expect(requests.length).toBeGreaterThan(4);
  expect(requests.length).toBeLessThanOrEqual(8);
  expect(new Set(requests.map((s) => String(s.message.transactionId))).size).toBe(1);
  expect(test.receive(test.answerTo(requests[0]!.message))).toBe(true);
});

it('a failed pair is tried again when the peer checks it', () => {
  const test = new AgentUnderTest().start();
  test.advance(10_000);
  const before = test.sent.length;
  test.receive(test.request());
  test.advance(20);
  const after = test.sent.slice(before).filter((s) => s.message.class === 'request');
  expect(after).toHaveLength(1);
  test.receive(test.answerTo(after[0]!.message));
  expect(test.agent.state).toBe('connected');
});

it('consent checks come each five seconds, a fifth more or less, and not all alike', () => {
  const test = new AgentUnderTest().connect();
  const starts: number[] = [];
  for (let i = 0; i < 40; i++) {
    const before = test.sent.length;
    while (test.sent.length === before) test.advance(10);
    starts.push(test.now);
    test.receive(test.answerTo(test.lastRequest()));
  }
  const gaps = starts.slice(1).map((at, i) => at - starts[i]!);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(3990);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(6010);
  expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(1000);
});
