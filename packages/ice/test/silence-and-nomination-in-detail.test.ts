import { toUtf8 } from '@conclave/bytes';
import type { IcePath } from '@conclave/ice';
import { attributeType, findAttribute, parseUnknownAttributes, StunBuilder } from '@conclave/stun';
import { expect, it } from 'vitest';
import { hmacSha1 } from './agent-host.ts';
import { AgentUnderTest, isNomination, mainCandidate, mainPath, theirs } from './scripted-peer.ts';

const sparePath: IcePath = { ...mainPath, address: '203.0.113.7' };
const tcpPath: IcePath = { socket: 71, address: '203.0.113.7', port: 900, transport: 'tcp' };

function withTcp(test: AgentUnderTest): AgentUnderTest {
  test.agent.addLocalCandidate({
    socket: 9,
    address: '192.0.2.1',
    advertisedAddress: '192.0.2.1',
    port: 443,
    transport: 'tcp',
  });
  return test;
}

/** The peer checks the path and answers the check that follows. */
function bringUp(
  test: AgentUnderTest,
  path: IcePath,
  change: Parameters<AgentUnderTest['request']>[0] = {},
): void {
  test.receive(test.request(change), path);
  test.advance(25);
  const check = test.sent.findLast((s) => s.message.class === 'request' && s.path.address === path.address)!;
  test.receive(test.answerTo(check.message), path);
}

function requestsOn(test: AgentUnderTest, path: IcePath, since = 0): AgentUnderTest['sent'] {
  return test.sent
    .slice(since)
    .filter((s) => s.message.class === 'request' && s.path.address === path.address);
}

function roleConflict(test: AgentUnderTest, transactionId: Uint8Array): Uint8Array {
  expect(test.agent.state).toBe('checking');
  return new StunBuilder({ class: 'error', method: 1, transactionId })
    .errorCode(487)
    .integrity(toUtf8(theirs.pwd), hmacSha1)
    .fingerprint()
    .finish();
}

it('a check on a spare path makes us ask the selected one, if that was quiet for two seconds', () => {
  const test = new AgentUnderTest().connect();
  bringUp(test, sparePath);
  test.advance(1000);
  let before = test.sent.length;
  test.receive(test.request(), sparePath);
  expect(requestsOn(test, mainPath, before)).toEqual([]);
  test.advance(1500);
  before = test.sent.length;
  test.receive(test.request(), sparePath);
  expect(requestsOn(test, mainPath, before)).toHaveLength(1);
});

it('a check on the selected path of a disconnected agent is answered by one of ours at once', () => {
  const test = new AgentUnderTest().connect();
  while (test.agent.state !== 'disconnected') test.advance(100);
  const isQuiet = () => test.now - test.sent.at(-1)!.at > 1000;
  while (!isQuiet()) test.advance(100);
  const before = test.sent.length;
  test.receive(test.request());
  const ours = requestsOn(test, mainPath, before);
  expect(ours).toHaveLength(1);
  test.advance(2000);
  test.receive(test.request());
  // Only the newest request counts.
  expect(test.receive(test.answerTo(ours[0]!.message))).toBe(false);
  expect(test.agent.state).toBe('disconnected');
  expect(test.receive(test.answerTo(test.lastRequest()))).toBe(true);
  expect(test.agent.state).toBe('connected');
});

it('an answer to an earlier consent check, after the next was sent, is too late', () => {
  const test = new AgentUnderTest().connect();
  const before = test.sent.length;
  const ids = () => [
    ...new Set(requestsOn(test, mainPath, before).map((s) => String(s.message.transactionId))),
  ];
  while (ids().length < 2) test.advance(100);
  const [first] = requestsOn(test, mainPath, before);
  expect(test.receive(test.answerTo(first!.message))).toBe(false);
  expect(test.agent.stats.rejected['unknown-transaction']).toBe(1);
  expect(test.receive(test.answerTo(test.lastRequest()))).toBe(true);
});

it('a nomination that is overtaken by another is not repeated any more', () => {
  const test = new AgentUnderTest().start();
  test.receive(test.answerTo(test.lastRequest()));
  expect(isNomination(test.lastRequest())).toBe(true);
  test.advance(100);
  bringUp(test, sparePath);
  const renominated = () =>
    test.sent.some((s) => isNomination(s.message) && s.path.address === sparePath.address);
  while (!renominated()) test.advance(50);
  const before = test.sent.length;
  test.advance(4000);
  expect(requestsOn(test, mainPath, before).filter((s) => isNomination(s.message))).toEqual([]);
});

it('a nomination that is never answered makes the only path invalid', () => {
  const test = new AgentUnderTest().start();
  test.receive(test.answerTo(test.lastRequest()));
  test.advance(7000);
  expect(test.agent.validPaths).toEqual([mainPath]);
  test.advance(3000);
  expect(test.agent.validPaths).toEqual([]);
  expect(test.agent.state).toBe('disconnected');
});

it('over TCP alone the nomination waits for UDP, though no UDP candidate is known', () => {
  const test = withTcp(new AgentUnderTest()).start([]);
  bringUp(test, tcpPath);
  expect(test.agent.selectedPath).toEqual(tcpPath);
  test.advance(500);
  expect(test.sent.some((s) => isNomination(s.message))).toBe(false);
  test.advance(200);
  expect(test.sent.filter((s) => isNomination(s.message)).map((s) => s.path)).toEqual([tcpPath]);
});

it('UDP is preferred to TCP whatever priorities the peer claims', () => {
  const test = withTcp(new AgentUnderTest()).start([]);
  bringUp(test, tcpPath, { priority: 2 ** 31 - 1 });
  bringUp(test, mainPath, { priority: 1 });
  expect(test.agent.selectedPath).toEqual(mainPath);
  expect(test.agent.validPaths).toEqual([mainPath, tcpPath]);
});

it('a lost TCP path counts its thirty seconds from the last answer', () => {
  const test = withTcp(new AgentUnderTest()).start([]);
  bringUp(test, tcpPath);
  for (let i = 0; i < 20; i++) {
    test.advance(1000);
    test.receive(test.answerTo(test.lastRequest()), tcpPath);
  }
  test.agent.handlePathClosed(test.now, tcpPath.socket);
  expect(test.agent.state).toBe('disconnected');
  test.advance(20_000);
  expect(test.agent.state).toBe('disconnected');
  test.advance(10_000);
  expect(test.agent.state).toBe('failed');
});

it('of two nominations at once the better counts, of a later one the later', () => {
  const better = { useCandidate: true, priority: 2_000_000 } as const;
  const worse = { useCandidate: true, priority: 1_000_000 } as const;
  const test = new AgentUnderTest({ role: 'controlled' }).start([]);
  bringUp(test, mainPath, better);
  bringUp(test, sparePath, worse);
  expect(test.agent.validPaths).toHaveLength(2);
  expect(test.agent.selectedPath).toEqual(mainPath);
  test.advance(3000);
  test.receive(test.request(worse), sparePath);
  expect(test.agent.selectedPath).toEqual(sparePath);
});

it('a nomination that came before the answer counts, although a plain check followed it', () => {
  const test = new AgentUnderTest({ role: 'controlled' });
  test.receive(test.request({ useCandidate: true, priority: 1 }), sparePath);
  test.receive(test.request({ priority: 1 }), sparePath);
  test.start();
  test.advance(100);
  for (const path of [mainPath, sparePath]) {
    test.receive(test.answerTo(requestsOn(test, path)[0]!.message), path);
  }
  expect(test.agent.validPaths[0]).toEqual(mainPath);
  expect(test.agent.selectedPath).toEqual(sparePath);
});

it('two conflicts about requests of the same role turn it round once', () => {
  const test = new AgentUnderTest().start([mainCandidate, { ...mainCandidate, address: sparePath.address }]);
  test.advance(25);
  const first = requestsOn(test, mainPath)[0]!;
  const second = requestsOn(test, sparePath)[0]!;
  expect(test.receive(roleConflict(test, first.message.transactionId), mainPath)).toBe(true);
  expect(test.receive(roleConflict(test, second.message.transactionId), sparePath)).toBe(true);
  expect(test.agent.role).toBe('controlled');
});

it('an answer to a request that was sent twice is no measure of the round trip', () => {
  const test = new AgentUnderTest().start();
  test.advance(200);
  test.receive(test.answerTo(test.lastRequest()));
  expect(test.agent.roundTripMs).toBeUndefined();
  test.advance(40);
  test.receive(test.answerTo(test.lastRequest()));
  expect(test.agent.roundTripMs).toBe(40);
});

it('valid paths make no room for new ones', () => {
  const test = new AgentUnderTest({ limits: { pairs: 1 } }).connect();
  expect(test.receive(test.request(), sparePath)).toBe(true);
  expect(test.agent.stats.rejected['path-limit']).toBe(1);
  expect(test.agent.validPaths).toEqual([mainPath]);
});

it('a 420 lists at most eight attributes', () => {
  const test = new AgentUnderTest();
  const builder = new StunBuilder({ class: 'request', method: 1, transactionId: new Uint8Array(12) }).text(
    attributeType.username,
    'oursUF:theirsUF',
  );
  for (let i = 0; i < 40; i++) builder.attribute(0x7000 + i);
  test.receive(builder.integrity(toUtf8('oursPWDoursPWDoursPWD1'), hmacSha1).fingerprint().finish());
  const listed = findAttribute(test.sent[0]!.message, attributeType.unknownAttributes)!;
  expect(parseUnknownAttributes(listed)).toHaveLength(8);
});
