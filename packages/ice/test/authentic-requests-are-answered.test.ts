import { toUtf8 } from '@conclave/bytes';
import type { IcePath } from '@conclave/ice';
import {
  attributeType,
  decodeErrorCode,
  decodeXorAddress,
  findAttribute,
  parseUnknownAttributes,
  StunBuilder,
  type StunMessage,
  verifyIntegrity,
} from '@conclave/stun';
import { describe, expect, it } from 'vitest';
import { hmacSha1 } from './agent-host.ts';
import { AgentUnderTest, isNomination, mainPath, ours, theirs } from './scripted-peer.ts';

const key = toUtf8(ours.pwd);

function build(fill: (builder: StunBuilder) => StunBuilder): Uint8Array {
  const builder = new StunBuilder({ class: 'request', method: 1, transactionId: new Uint8Array(12) }).text(
    attributeType.username,
    `${ours.ufrag}:${theirs.ufrag}`,
  );
  return fill(builder).integrity(key, hmacSha1).fingerprint().finish();
}

function errorOf(message: StunMessage | undefined): number {
  return decodeErrorCode(findAttribute(message!, attributeType.errorCode)!).code;
}

it.each([
  ['IPv4', mainPath],
  ['IPv6', { socket: 6, address: '2001:db8::77', port: 6000, transport: 'udp' } satisfies IcePath],
])('a success response over %s names the source, is signed and ends in a fingerprint', (_name, path) => {
  const test = new AgentUnderTest();
  test.agent.addLocalCandidate({
    socket: 6,
    address: '::',
    advertisedAddress: '2001:db8::1',
    port: 40000,
    transport: 'udp',
  });
  const request = test.request();
  expect(test.receive(request, path)).toBe(true);
  const { message, path: back } = test.sent[0]!;
  expect(back).toEqual(path);
  expect(message.class).toBe('success');
  expect(message.transactionId).toEqual(request.subarray(8, 20));
  const mapped = findAttribute(message, attributeType.xorMappedAddress)!;
  expect(decodeXorAddress(mapped, message.transactionId)).toEqual({ address: path.address, port: path.port });
  expect(message.hasFingerprint).toBe(true);
  expect(verifyIntegrity(message, key, hmacSha1)).toBe(true);
  expect(message.bytes.length).toBeLessThanOrEqual(request.length);
});

it('a request with unknown required attributes gets a signed 420 that lists them', () => {
  const test = new AgentUnderTest();
  const bytes = build((b) => b.uint32(attributeType.priority, 1).attribute(0x7001).attribute(0x7002));
  expect(test.receive(bytes)).toBe(true);
  const { message } = test.sent[0]!;
  expect(message.class).toBe('error');
  expect(errorOf(message)).toBe(420);
  expect(parseUnknownAttributes(findAttribute(message, attributeType.unknownAttributes)!)).toEqual([
    0x7001, 0x7002,
  ]);
  expect(verifyIntegrity(message, key, hmacSha1)).toBe(true);
  expect(message.hasFingerprint).toBe(true);
  test.start([]);
  test.advance(1000);
  expect(test.sent).toHaveLength(1);
});

it('no answer is larger than its request by more than a few bytes', () => {
  const test = new AgentUnderTest();
  const requests = [
    build((b) => b),
    build((b) => b.uint32(attributeType.priority, 1)),
    build((b) => b.attribute(0x7001)),
    build((b) => {
      for (let i = 0; i < 40; i++) b.attribute(0x7000 + i);
      return b;
    }),
    build((b) => b.attribute(attributeType.priority, new Uint8Array(3))),
    test.request({ role: 'controlling', tieBreaker: 0n }),
  ];
  for (const bytes of requests) {
    const before = test.sent.length;
    expect(test.receive(bytes)).toBe(true);
    expect(test.sent).toHaveLength(before + 1);
    expect(test.sent.at(-1)!.message.bytes.length).toBeLessThanOrEqual(bytes.length + 8);
  }
});

it('a request on a new path without PRIORITY, or with a malformed one, gets a 400 and is not learned', () => {
  const test = new AgentUnderTest().start([]);
  for (const fill of [
    (b: StunBuilder) => b,
    (b: StunBuilder) => b.attribute(attributeType.priority, new Uint8Array(3)),
    (b: StunBuilder) => b.uint32(attributeType.priority, 1).attribute(attributeType.iceControlled),
  ]) {
    expect(test.receive(build(fill))).toBe(true);
    expect(errorOf(test.sent.at(-1)?.message)).toBe(400);
  }
  test.advance(1000);
  expect(test.sent).toHaveLength(3);
});

it('a check on a known path needs no PRIORITY, as consent checks of some agents have none', () => {
  const test = new AgentUnderTest().connect();
  expect(test.receive(build((b) => b))).toBe(true);
  expect(test.sent.at(-1)?.message.class).toBe('success');
});

describe('role conflicts', () => {
  it('controlling against a lower controlling peer: 487, and no role changes', () => {
    const test = new AgentUnderTest().start([]);
    test.receive(test.request({ role: 'controlling', tieBreaker: 0n }));
    expect(errorOf(test.sent.at(-1)?.message)).toBe(487);
    expect(test.agent.role).toBe('controlling');
    expect(test.agent.stats.roleConflicts).toBe(1);
  });

  it('controlling against a higher controlling peer: becomes controlled and answers', () => {
    const test = new AgentUnderTest().start([]);
    test.receive(test.request({ role: 'controlling', tieBreaker: 0xffffffffffffffffn, useCandidate: true }));
    expect(test.sent[0]!.message.class).toBe('success');
    expect(test.agent.role).toBe('controlled');
    test.receive(test.answerTo(test.lastRequest()));
    expect(test.agent.selectedPath).toEqual(mainPath);
    test.advance(2000);
    expect(test.sent.some((s) => isNomination(s.message))).toBe(false);
  });

  it('controlled against a lower controlled peer: becomes controlling and nominates', () => {
    const test = new AgentUnderTest({ role: 'controlled' }).start();
    test.receive(test.request({ role: 'controlled', tieBreaker: 0n }));
    expect(test.agent.role).toBe('controlling');
    test.receive(test.answerTo(test.lastRequest()));
    expect(isNomination(test.lastRequest())).toBe(true);
  });

  it('controlled against a higher controlled peer: 487', () => {
    const test = new AgentUnderTest({ role: 'controlled' }).start([]);
    test.receive(test.request({ role: 'controlled', tieBreaker: 0xffffffffffffffffn }));
    expect(errorOf(test.sent.at(-1)?.message)).toBe(487);
    expect(test.agent.role).toBe('controlled');
  });

  it('a signed 487 to our check turns the role round and the check is sent again', () => {
    const test = new AgentUnderTest().start();
    const first = test.lastRequest();
    const bytes = new StunBuilder({ class: 'error', method: 1, transactionId: first.transactionId })
      .errorCode(487)
      .integrity(toUtf8(theirs.pwd), hmacSha1)
      .fingerprint()
      .finish();
    expect(test.receive(bytes)).toBe(true);
    test.advance(30);
    expect(test.agent.role).toBe('controlled');
    const second = test.lastRequest();
    expect(second.transactionId).not.toEqual(first.transactionId);
    expect(findAttribute(second, attributeType.iceControlled)).toBeDefined();
    // The tie-breaker is a new one, so that two agents with equal ones do not go on for ever.
    expect(findAttribute(second, attributeType.iceControlled)).not.toEqual(
      findAttribute(first, attributeType.iceControlling),
    );
    expect(test.receive(bytes)).toBe(false);
    expect(test.agent.role).toBe('controlled');
  });
});

it('a controlled agent that is nominated before its own check succeeded selects the path when it does', () => {
  const test = new AgentUnderTest({ role: 'controlled' });
  test.receive(test.request({ useCandidate: true }));
  test.start();
  expect(test.agent.selectedPath).toBeUndefined();
  test.receive(test.answerTo(test.lastRequest()));
  expect(test.agent.selectedPath).toEqual(mainPath);
  expect(test.agent.state).toBe('connected');
});
