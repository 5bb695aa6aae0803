import { attributeType as A, findAttribute, stunMethod as M, StunBuilder } from '@conclave/stun';
import { describe, expect, it } from 'vitest';
import {
  all,
  answerOf,
  codeOf,
  type Fill,
  flag,
  held,
  nothing,
  peer,
  ScriptedClient,
  ServerBench,
  udp,
} from './server-bench.ts';

const PEER = '9.9.9.9';

describe('authentication', () => {
  const bare = (method: number, fill: Fill, id: Uint8Array) => {
    const request = new StunBuilder({ class: 'request', method, transactionId: id });
    fill(request);
    return request;
  };
  const key = new Uint8Array(16);

  it.each([
    ['no integrity', (c: ScriptedClient) => bare(M.allocate, udp, c.bench.transactionId()).finish(), 401],
    [
      'no username',
      (c: ScriptedClient) =>
        bare(M.allocate, udp, c.bench.transactionId())
          .text(A.realm, 'x')
          .text(A.nonce, 'x')
          .integrity(key, (_k, _d) => new Uint8Array(20))
          .finish(),
      400,
    ],
    [
      'no realm',
      (c: ScriptedClient) =>
        bare(M.allocate, udp, c.bench.transactionId())
          .text(A.username, 'x')
          .text(A.nonce, 'x')
          .integrity(key, () => new Uint8Array(20))
          .finish(),
      400,
    ],
    [
      'no nonce',
      (c: ScriptedClient) =>
        bare(M.allocate, udp, c.bench.transactionId())
          .text(A.username, 'x')
          .text(A.realm, 'x')
          .integrity(key, () => new Uint8Array(20))
          .finish(),
      400,
    ],
    [
      'a wrong nonce',
      (c: ScriptedClient) => {
        c.nonce = 'x';
        return c.build(M.allocate, udp);
      },
      438,
    ],
    [
      'an unknown user',
      (c: ScriptedClient) => {
        c.username = 'carol';
        return c.build(M.allocate, udp);
      },
      401,
    ],
    [
      'a wrong password',
      (c: ScriptedClient) => {
        c.password = 'x';
        return c.build(M.allocate, udp);
      },
      401,
    ],
    [
      'a username that is not UTF-8',
      (c: ScriptedClient) => {
        c.learnNonce();
        return bare(M.allocate, udp, c.bench.transactionId())
          .attribute(A.username, Uint8Array.of(0xff))
          .text(A.realm, 'x')
          .text(A.nonce, c.nonce)
          .integrity(key, () => new Uint8Array(20))
          .finish();
      },
      400,
    ],
    [
      'PASSWORD-ALGORITHM alone',
      (c: ScriptedClient) =>
        c.build(M.allocate, all(udp, flag(A.passwordAlgorithm, Uint8Array.of(0, 1, 0, 0)))),
      400,
    ],
    [
      'PASSWORD-ALGORITHMS alone',
      (c: ScriptedClient) =>
        c.build(M.allocate, all(udp, flag(A.passwordAlgorithms, Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0)))),
      400,
    ],
    [
      'a shortened offer',
      (c: ScriptedClient) =>
        c.build(
          M.allocate,
          all(
            udp,
            flag(A.passwordAlgorithms, Uint8Array.of(0, 1, 0, 0)),
            flag(A.passwordAlgorithm, Uint8Array.of(0, 1, 0, 0)),
          ),
        ),
      400,
    ],
    [
      'an algorithm not offered',
      (c: ScriptedClient) =>
        c.build(
          M.allocate,
          all(
            udp,
            flag(A.passwordAlgorithms, Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0)),
            flag(A.passwordAlgorithm, Uint8Array.of(0, 9, 0, 0)),
          ),
        ),
      400,
    ],
  ] as [string, (c: ScriptedClient) => Uint8Array, number][])('with %s', (_name, make, code) => {
    const client = new ScriptedClient(new ServerBench());
    const answer = answerOf(client.bench.packet(client.tuple, make(client)));
    expect(codeOf(answer)).toBe(code);
    expect(held(client.bench.server)).toEqual(nothing);
    if (code === 400) return;
    for (const type of [A.realm, A.nonce, A.passwordAlgorithms])
      expect(findAttribute(answer, type)).toBeDefined();
    for (const type of [A.username, A.userhash]) expect(findAttribute(answer, type)).toBeUndefined();
  });

  it('with SHA-256 throughout', () => {
    const client = new ScriptedClient(new ServerBench());
    client.algorithm = 'sha256';
    expect(client.allocate()).toBe(0);
    expect(client.code(M.createPermission, peer(PEER))).toBe(0);
  });
});
