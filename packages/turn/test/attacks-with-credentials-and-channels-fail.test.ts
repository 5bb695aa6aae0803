import { createHmac } from 'node:crypto';
import { Secret, toUtf8 } from '@conclave/bytes';
import {
  attributeType as A,
  coveredBytes,
  findAttribute,
  stunMethod as M,
  StunBuilder,
} from '@conclave/stun';
import { describe, expect, it } from 'vitest';
import { encodeChannelData, makeRestCredential, makeWireCredential, userhash } from '../src/index.ts';
import { hashes, seededRandom } from './node-hashes.ts';
import {
  all,
  answerOf,
  channel,
  clientTuple,
  codeOf,
  lifetime,
  peer,
  REALM,
  ScriptedClient,
  ServerBench,
  UNIX_MS,
  udp,
} from './server-bench.ts';

const PEER = '9.9.9.9';

describe('7: attributes that do not count', () => {
  /** Appends attributes behind the integrity, with the header's length corrected. */
  function append(bytes: Uint8Array, type: number, value: Uint8Array): Uint8Array {
    const out = new Uint8Array(bytes.length + 4 + value.length);
    out.set(bytes);
    out.set([type >> 8, type & 255, 0, value.length], bytes.length);
    out.set(value, bytes.length + 4);
    out[2] = (out.length - 20) >> 8;
    out[3] = (out.length - 20) & 255;
    return out;
  }
  it('behind MESSAGE-INTEGRITY are ignored', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.allocate();
    const withoutFingerprint = client.build(M.refresh, () => {}).slice(0, -8);
    withoutFingerprint.set(
      coveredBytes(withoutFingerprint, withoutFingerprint.length - 24, 24).subarray(2, 4),
      2,
    );
    const effects = bench.packet(client.tuple, append(withoutFingerprint, A.lifetime, new Uint8Array(4)));
    expect(codeOf(answerOf(effects))).toBe(0);
    expect(bench.server.stats().allocations).toBe(1);
  });
  it('of duplicates the first counts', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.allocate();
    expect(
      client.code(M.channelBind, all(peer(PEER), channel(0x4000), channel(0x4001), peer('10.0.0.1'))),
    ).toBe(0);
    expect(bench.effects.find((e) => e.kind === 'bind-channel')).toMatchObject({
      channel: 0x4000,
      peer: { address: PEER },
    });
  });
  it('a wrong FINGERPRINT is dropped, a huge username refused', () => {
    const client = new ScriptedClient(new ServerBench());
    const bytes = client.build(M.allocate, udp);
    bytes[bytes.length - 1]! ^= 1;
    expect(client.bench.packet(client.tuple, bytes)).toEqual([]);
    client.username = 'a'.repeat(60_000);
    expect(client.allocate()).toBe(401);
  });
  it('an ICE check is answered without believing its username', () => {
    const check = new StunBuilder({ class: 'request', method: M.binding, transactionId: new Uint8Array(12) });
    check.text(A.username, 'a:b').integrity(toUtf8('x'), hashes.hmacSha1);
    expect(codeOf(answerOf(new ServerBench().packet(clientTuple(), check.finish())))).toBe(0);
  });
});

describe('8: credentials', () => {
  const secret = new Secret('correct horse');
  const inAnHour = UNIX_MS / 1000 + 3600;
  const random = seededRandom(9);
  const cases = [
    ['wire', makeWireCredential(secret, inAnHour, random, hashes.hmacSha512)],
    ['sft', makeWireCredential(secret, inAnHour, random, hashes.hmacSha512, 'sft-')],
    ['rest', makeRestCredential(secret, inAnHour, 'alice', hashes.hmacSha1)],
  ] as const;
  it.each(cases)(
    'in %s form are right until they expire, also beside newer secrets',
    (_form, { username, password }) => {
      const bench = new ServerBench();
      bench.users.setSharedSecrets([new Secret('new'), secret]);
      const old = new ScriptedClient(bench, clientTuple(1), username, password.reveal());
      expect(old.allocate()).toBe(0);
      expect(new ScriptedClient(bench, clientTuple(2), username, 'wrong').allocate()).toBe(401);
      expect(
        new ScriptedClient(
          bench,
          clientTuple(2),
          username.replace(`${inAnHour}`, `${inAnHour + 1}`),
          password.reveal(),
        ).allocate(),
      ).toBe(401);
      bench.users.setSharedSecrets([new Secret('new')]);
      expect(new ScriptedClient(bench, clientTuple(2), username, password.reveal()).allocate()).toBe(401);
      bench.users.setSharedSecrets([secret]);
      bench.unixMs += 3_599_999;
      expect(new ScriptedClient(bench, clientTuple(3), username, password.reveal()).allocate()).toBe(0);
      bench.unixMs += 1;
      expect(new ScriptedClient(bench, clientTuple(4), username, password.reveal()).allocate()).toBe(401);
      // A call that stands is not cut, but its key opens nothing else.
      expect(old.code(M.refresh)).toBe(0);
      expect(old.code(M.createPermission, peer(PEER))).toBe(0);
    },
  );
  it('are made as other servers make them', () => {
    const { username, password } = cases[0][1];
    expect(username).toMatch(/^d=[0-9]+\.v=1\.k=0\.t=s\.r=[0-9a-f]+$/);
    expect(password.reveal()).toBe(createHmac('sha512', 'correct horse').update(username).digest('base64'));
    expect(cases[2][1].password.reveal()).toBe(
      createHmac('sha1', 'correct horse').update(`${inAnHour}:alice`).digest('base64'),
    );
  });
  it('do not appear in anything that could be logged', () => {
    const bench = new ServerBench();
    bench.users.setSharedSecrets([secret]);
    const { username, password } = cases[0][1];
    const client = new ScriptedClient(bench, clientTuple(), username, password.reveal());
    client.allocate();
    client.code(M.createPermission, peer(PEER));
    client.code(M.refresh, lifetime(0));
    const log = JSON.stringify([bench.effects, bench.server, bench.users, bench.server.stats(), cases]);
    for (const hidden of [secret.reveal(), password.reveal(), 'wonder', 'builder'])
      expect(log).not.toContain(hidden);
  });
  it('may come as USERHASH when all users are known', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.learnNonce();
    expect(client.nonce.slice(9, 13)).toBe('wAAA');
    const request = new StunBuilder({
      class: 'request',
      method: M.allocate,
      transactionId: new Uint8Array(12),
    });
    udp(request);
    request
      .attribute(A.userhash, userhash('alice', REALM, hashes.sha256))
      .text(A.realm, REALM)
      .text(A.nonce, client.nonce);
    expect(
      codeOf(answerOf(bench.packet(client.tuple, request.integrity(client.key, hashes.hmacSha1).finish()))),
    ).toBe(0);
    bench.users.setSharedSecrets([secret]);
    expect(bench.users.knowsAllUsers).toBe(false);
  });
});

describe('9: channels', () => {
  function bound(transport: 'udp' | 'tcp' = 'udp') {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench, clientTuple(1, transport));
    client.allocate();
    client.code(M.channelBind, all(peer(PEER, 7000), channel(0x4001)));
    return { bench, client };
  }
  const data = Uint8Array.of(1, 2, 3, 4, 5);
  const damaged = (change: (b: Uint8Array) => void) => {
    const b = encodeChannelData(0x4001, data, false);
    change(b);
    return b;
  };
  it.each([
    ['whole', damaged(() => {}), 1],
    ['padded', encodeChannelData(0x4001, data, true), 1],
    [
      'too short',
      damaged((b) => {
        b[3] = 6;
      }),
      0,
    ],
    ['too long', Uint8Array.of(...encodeChannelData(0x4001, data, true), 0), 0],
    ['of no length', Uint8Array.of(0x40, 1), 0],
    ['empty', Uint8Array.of(0x40, 1, 0, 0), 1],
    [
      'unbound',
      damaged((b) => {
        b[1] = 2;
      }),
      0,
    ],
    [
      'of an old number',
      damaged((b) => {
        b[0] = 0x50;
      }),
      0,
    ],
    [
      'above all',
      damaged((b) => {
        b[0] = 0x7f;
      }),
      0,
    ],
  ] as [string, Uint8Array, number][])('%s', (_name, bytes, count) => {
    const { bench, client } = bound();
    expect(bench.packet(client.tuple, bytes)).toHaveLength(count);
    expect(bench.packet(clientTuple(99), bytes)).toHaveLength(0);
  });
  it('have the numbers of older clients where the operator lets them', () => {
    const code = (number: number, limits = {}) => {
      const client = new ScriptedClient(new ServerBench({ limits }));
      client.allocate();
      return client.code(M.channelBind, all(peer(PEER, 7000), channel(number)));
    };
    const older = { maxChannelNumber: 0x7fff };
    expect([code(0x5000), code(0x5000, older), code(0x7fff, older), code(0x8000, older)]).toEqual([
      400, 0, 0, 400,
    ]);
  });
  it('carry data both ways only while the permission stands', () => {
    const { bench, client } = bound('tcp');
    const [relay] = bench.ports.keys();
    const from = (address: string, port: number) => {
      bench.server.handleRelayed(bench.now, relay!, { address, port }, data);
      return bench.drain();
    };
    expect(from(PEER, 7000)).toMatchObject([{ kind: 'send', bytes: encodeChannelData(0x4001, data, true) }]);
    expect(findAttribute(answerOf(from(PEER, 7001)), A.data)).toEqual(data);
    expect(from('9.9.9.8', 7000)).toEqual([]);
    bench.advance(300_000);
    expect(from(PEER, 7000)).toEqual([]);
    expect(bench.packet(client.tuple, encodeChannelData(0x4001, data, true))).toEqual([]);
  });
});
