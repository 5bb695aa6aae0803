import { toUtf8 } from '@conclave/bytes';
import { type IcePath, type IceRejectReason, stunUsernameOf } from '@conclave/ice';
import { attributeType, parseStun, StunBuilder } from '@conclave/stun';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hmacSha1 } from './agent-host.ts';
import { AgentUnderTest, mainPath, ours, theirs } from './scripted-peer.ts';

const elsewhere: IcePath = { ...mainPath, address: '203.0.113.66' };
const key = toUtf8(ours.pwd);

/** The request must be dropped without any answer, counted under the reason, and leave no trace. */
function expectDropped(
  test: AgentUnderTest,
  bytes: Uint8Array,
  reason: IceRejectReason,
  path?: IcePath,
): void {
  const sent = test.sent.length;
  const before = test.agent.stats.rejected[reason] ?? 0;
  expect(test.receive(bytes, path ?? elsewhere)).toBe(false);
  expect(test.agent.stats.rejected[reason]).toBe(before + 1);
  test.advance(50);
  expect(test.sent.slice(sent).filter((s) => s.path.address === elsewhere.address)).toEqual([]);
}

describe('a request', () => {
  it('with a wrong password', () => {
    const test = new AgentUnderTest().connect();
    expectDropped(test, test.request({ pwd: 'wrongPWDwrongPWDwrongPWD' }), 'bad-integrity');
    expectDropped(test, test.request({ pwd: theirs.pwd }), 'bad-integrity');
  });

  it('with a wrong password before the remote is known', () => {
    const test = new AgentUnderTest();
    expectDropped(test, test.request({ pwd: 'wrongPWDwrongPWDwrongPWD' }), 'bad-integrity');
  });

  it.each([
    ['another local ufrag', `wrongUF:${theirs.ufrag}`],
    ['another remote ufrag', `${ours.ufrag}:wrongUF`],
    ['the ufrags the wrong way round', `${theirs.ufrag}:${ours.ufrag}`],
    ['no colon', ours.ufrag],
    ['two colons', `${ours.ufrag}:${theirs.ufrag}:x`],
    ['an empty username', ''],
    ['a ufrag that merely starts like ours', `${ours.ufrag}x:${theirs.ufrag}`],
    ['a username of 600 bytes', `${ours.ufrag}:${'x'.repeat(593)}`],
  ])('with %s', (_name, username) => {
    const test = new AgentUnderTest().connect();
    expectDropped(test, test.request({ username }), 'wrong-username');
  });

  it('without USERNAME', () => {
    const test = new AgentUnderTest().connect();
    const bytes = new StunBuilder({ class: 'request', method: 1, transactionId: new Uint8Array(12) })
      .uint32(attributeType.priority, 1)
      .integrity(key, hmacSha1)
      .fingerprint()
      .finish();
    expectDropped(test, bytes, 'wrong-username');
  });

  it('without MESSAGE-INTEGRITY', () => {
    const test = new AgentUnderTest().connect();
    const bytes = new StunBuilder({ class: 'request', method: 1, transactionId: new Uint8Array(12) })
      .text(attributeType.username, `${ours.ufrag}:${theirs.ufrag}`)
      .uint32(attributeType.priority, 1)
      .fingerprint()
      .finish();
    expectDropped(test, bytes, 'missing-integrity');
  });

  it('without FINGERPRINT', () => {
    const test = new AgentUnderTest().connect();
    const bytes = new StunBuilder({ class: 'request', method: 1, transactionId: new Uint8Array(12) })
      .text(attributeType.username, `${ours.ufrag}:${theirs.ufrag}`)
      .uint32(attributeType.priority, 1)
      .integrity(key, hmacSha1)
      .finish();
    expectDropped(test, bytes, 'missing-fingerprint');
  });

  it('whose USERNAME comes after MESSAGE-INTEGRITY', () => {
    const test = new AgentUnderTest().connect();
    const sealed = new StunBuilder({ class: 'request', method: 1, transactionId: new Uint8Array(12) })
      .integrity(key, hmacSha1)
      .finish();
    const username = toUtf8(`${ours.ufrag}:${theirs.ufrag}0`);
    const tail = [0, 6, 0, username.length - 1, ...username];
    const bytes = new Uint8Array([...sealed, ...tail]);
    new DataView(bytes.buffer).setUint16(2, bytes.length - 20);
    expect(stunUsernameOf(bytes)).toBeUndefined();
    expectDropped(test, bytes, 'missing-fingerprint');
  });

  it('of another method, and an indication', () => {
    const test = new AgentUnderTest().connect();
    for (const [kind, method] of [
      ['request', 3],
      ['success', 3],
      ['indication', 1],
    ] as const) {
      const bytes = new StunBuilder({ class: kind, method, transactionId: new Uint8Array(12) })
        .text(attributeType.username, `${ours.ufrag}:${theirs.ufrag}`)
        .integrity(key, hmacSha1)
        .fingerprint()
        .finish();
      expectDropped(test, bytes, 'unexpected-method');
    }
  });

  it('that came in where we have no candidate', () => {
    const test = new AgentUnderTest().connect();
    expectDropped(test, test.request(), 'no-local-candidate', { ...elsewhere, socket: 2 });
    expectDropped(test, test.request(), 'no-local-candidate', { ...elsewhere, address: '2001:db8::1' });
    expectDropped(test, test.request(), 'no-local-candidate', { ...elsewhere, transport: 'tcp' });
  });

  it('with any bit flipped', () => {
    const test = new AgentUnderTest().connect();
    const good = test.request();
    const validBefore = test.agent.validPaths;
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = good.with(bit >> 3, good[bit >> 3]! ^ (1 << (bit & 7)));
      expect(test.receive(bad, elsewhere)).toBe(false);
    }
    expect(test.sent.filter((s) => s.path.address === elsewhere.address)).toEqual([]);
    expect(test.agent.validPaths).toBe(validBefore);
  });

  it('of arbitrary bytes', () => {
    const test = new AgentUnderTest().connect();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(test.receive(bytes, elsewhere)).toBe(false);
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});

describe('a response', () => {
  it('with a wrong password', () => {
    const test = new AgentUnderTest().start();
    const answer = test.answerTo(test.lastRequest(), ours.pwd);
    expectDropped(test, answer, 'bad-integrity', mainPath);
    expect(test.agent.validPaths).toEqual([]);
    expect(test.receive(test.answerTo(test.lastRequest()))).toBe(true);
  });

  it('without MESSAGE-INTEGRITY, success or error', () => {
    const test = new AgentUnderTest().start();
    for (const kind of ['success', 'error'] as const) {
      const bytes = new StunBuilder({
        class: kind,
        method: 1,
        transactionId: test.lastRequest().transactionId,
      })
        .errorCode(487)
        .xorAddress(attributeType.xorMappedAddress, { address: '192.0.2.1', port: 1 })
        .fingerprint()
        .finish();
      expectDropped(test, bytes, 'missing-integrity', mainPath);
    }
    expect(test.agent.role).toBe('controlling');
    expect(test.agent.validPaths).toEqual([]);
  });

  it.each([
    ['address', { ...mainPath, address: '203.0.113.66' }],
    ['port', { ...mainPath, port: 5001 }],
    ['transport', { ...mainPath, transport: 'tcp' as const }],
    ['socket', { ...mainPath, socket: 2 }],
  ])('from another %s than the request went to', (_name, path) => {
    const test = new AgentUnderTest().start();
    expectDropped(test, test.answerTo(test.lastRequest()), 'wrong-source', path);
    expect(test.agent.validPaths).toEqual([]);
  });

  it('replayed', () => {
    const test = new AgentUnderTest().start();
    const answer = test.answerTo(test.lastRequest());
    expect(test.receive(answer)).toBe(true);
    expectDropped(test, answer, 'unknown-transaction', mainPath);
    expectDropped(test, answer, 'unknown-transaction');
    expect(test.agent.validPaths).toEqual([mainPath]);
  });

  it('with a forged transaction id, and one before anything was asked', () => {
    const test = new AgentUnderTest();
    const request = parseStun(test.request());
    expectDropped(test, test.answerTo(request), 'unknown-transaction', mainPath);
    test.start();
    const last = test.lastRequest();
    const forged = { ...last, transactionId: last.transactionId.with(11, last.transactionId[11]! ^ 1) };
    expectDropped(test, test.answerTo(forged), 'unknown-transaction', mainPath);
    expect(test.agent.validPaths).toEqual([]);
  });

  it('of an earlier consent check does not renew consent', () => {
    const test = new AgentUnderTest().connect();
    test.advance(6500);
    const old = test.answerTo(test.lastRequest());
    expect(test.receive(old)).toBe(true);
    for (let i = 0; i < 40; i++) {
      test.advance(1000);
      test.receive(old);
    }
    expect(test.agent.state).toBe('failed');
  });

  it('without a mapped address, with a malformed one, or with unknown required attributes', () => {
    const test = new AgentUnderTest().start();
    const build = (fill: (builder: StunBuilder) => StunBuilder): Uint8Array =>
      fill(new StunBuilder({ class: 'success', method: 1, transactionId: test.lastRequest().transactionId }))
        .integrity(toUtf8(theirs.pwd), hmacSha1)
        .fingerprint()
        .finish();
    const mapped = { address: '192.0.2.1', port: 1 };
    expectDropped(
      test,
      build((b) => b),
      'bad-attribute',
      mainPath,
    );
    expectDropped(
      test,
      build((b) => b.attribute(attributeType.xorMappedAddress, new Uint8Array(5))),
      'bad-attribute',
      mainPath,
    );
    expectDropped(
      test,
      build((b) => b.xorAddress(attributeType.xorMappedAddress, mapped).attribute(0x7001)),
      'unknown-attribute',
      mainPath,
    );
    expect(test.agent.validPaths).toEqual([]);
  });

  it('with any bit flipped', () => {
    const test = new AgentUnderTest().start();
    const good = test.answerTo(test.lastRequest());
    // The fingerprint is for telling protocols apart; without it the integrity of a response still speaks.
    for (let bit = 0; bit < (good.length - 8) * 8; bit++) {
      const bad = good.with(bit >> 3, good[bit >> 3]! ^ (1 << (bit & 7)));
      expect(test.receive(bad)).toBe(false);
    }
    expect(test.agent.validPaths).toEqual([]);
    expect(test.receive(good)).toBe(true);
  });
});
