import { createHmac, randomBytes, X509Certificate } from 'node:crypto';
import {
  createDtlsSession,
  type DtlsIdentity,
  generateDtlsIdentity,
  loadDtlsIdentity,
  SrtpProfile,
} from '@conclave/forwarder';
import { CertificateAuthority } from '@conclave/testkit';
import { beforeAll, expect, test } from 'vitest';
import {
  type AssociationEvent,
  LINK_REQUEST_BYTES,
  type LinkPath,
  LinkPathValidator,
  LinkTransport,
  linkRequest,
  readLinkReply,
} from '../src/index.ts';

const utf8 = new TextEncoder();
const joinerPath: LinkPath = { socket: 1, address: '192.0.2.7', port: 40_100 };
const hmacSha256 = (key: Uint8Array, data: Uint8Array) => createHmac('sha256', key).update(data).digest();
let authority: CertificateAuthority;
let anchorIdentity: DtlsIdentity;
let joinerIdentity: DtlsIdentity;

async function identityOf(domain: string): Promise<DtlsIdentity> {
  const issued = await authority.issue([domain]);
  return loadDtlsIdentity({
    certificatePem: utf8.encode(issued.certificatePem),
    keyPem: utf8.encode(issued.keyPem),
    authorityPem: utf8.encode(authority.certificatePem),
  });
}

beforeAll(async () => {
  authority = await CertificateAuthority.create('federation');
  anchorIdentity = await identityOf('anchor.example');
  joinerIdentity = await identityOf('joiner.example');
});

/** Anchor and joiner on one clock; the anchor remembers nobody before the path is found to be real. */
class Pair {
  now = 1_000_000;
  readonly validator = new LinkPathValidator(randomBytes(32), hmacSha256, 60_000);
  readonly joiner: LinkTransport;
  anchor: LinkTransport | undefined;
  readonly atJoiner: AssociationEvent[] = [];
  readonly atAnchor: AssociationEvent[] = [];
  up = true;

  constructor(identity: DtlsIdentity = joinerIdentity, wanted = 'anchor.example') {
    this.joiner = this.make('client', identity, wanted);
    this.pump();
  }

  make(role: 'server' | 'client', identity: DtlsIdentity, wanted: string): LinkTransport {
    return new LinkTransport(this.now, {
      role,
      createDtlsSession,
      identity,
      srtpProfiles: [SrtpProfile.aeadAes128Gcm],
      random: (size) => randomBytes(size),
      objection: ({ peerCertificateDer }) =>
        new X509Certificate(peerCertificateDer).checkHost(wanted) ? undefined : `not ${wanted}`,
    });
  }

  pump(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (let bytes = this.joiner.pollTransmit(); bytes; bytes = this.joiner.pollTransmit()) {
        moved = true;
        if (!this.up) continue;
        if (bytes[0]! >= 20) this.anchor?.handleDtls(this.now, bytes);
        else this.#answerStun(bytes);
      }
      for (let bytes = this.anchor?.pollTransmit(); bytes; bytes = this.anchor?.pollTransmit()) {
        moved = true;
        if (this.up) this.joiner.handleDtls(this.now, bytes);
      }
    }
    for (let e = this.joiner.pollEvent(); e; e = this.joiner.pollEvent()) this.atJoiner.push(e);
    for (let e = this.anchor?.pollEvent(); e; e = this.anchor?.pollEvent()) this.atAnchor.push(e);
  }

  advance(ms: number): void {
    this.pump();
    const end = this.now + ms;
    for (;;) {
      const next = Math.min(
        this.joiner.pollTimeout() ?? Number.POSITIVE_INFINITY,
        this.anchor?.pollTimeout() ?? Number.POSITIVE_INFINITY,
      );
      if (next > end) break;
      this.now = Math.max(next, this.now);
      this.joiner.handleTimeout(this.now);
      this.anchor?.handleTimeout(this.now);
      this.pump();
    }
    this.now = end;
  }

  #answerStun(bytes: Uint8Array): void {
    const { reply, validated } = this.validator.handle(this.now, joinerPath, bytes);
    if (validated) {
      this.anchor ??= this.make('server', anchorIdentity, 'joiner.example');
      this.anchor.handleKeepalive(this.now);
    }
    if (reply !== undefined) this.joiner.handleStun(this.now, reply);
  }
}

const types = (events: readonly AssociationEvent[]) => events.map((event) => event.type);

test('two servers connect, and what one says the other hears', () => {
  const pair = new Pair();
  pair.advance(100);
  expect(types(pair.atJoiner)).toEqual(['secured', 'channel-open']);
  expect(types(pair.atAnchor)).toEqual(['secured', 'channel-open']);
  const long = 'x'.repeat(300_000);
  expect(pair.joiner.send(pair.now, 'hello')).toBe(true);
  expect(pair.anchor!.send(pair.now, long)).toBe(true);
  pair.advance(3000);
  expect(pair.atAnchor.at(-1)).toMatchObject({ type: 'message', data: 'hello' });
  expect(pair.atJoiner.at(-1)).toMatchObject({ type: 'message', data: long });
});

test('both have the same SRTP keys, crosswise', () => {
  const pair = new Pair();
  pair.advance(100);
  const [joiner, anchor] = [pair.atJoiner[0]!, pair.atAnchor[0]!];
  if (joiner.type !== 'secured' || anchor.type !== 'secured') throw new Error('not secured');
  expect(joiner.srtpKeys.sendKey).toEqual(anchor.srtpKeys.receiveKey);
  expect(joiner.srtpKeys.receiveSalt).toEqual(anchor.srtpKeys.sendSalt);
});

test('a server for another domain than the wanted one is refused', () => {
  const pair = new Pair(joinerIdentity, 'other.example');
  pair.advance(100);
  expect(pair.atJoiner).toEqual([{ type: 'failed', reason: 'not other.example' }]);
});

test('a server without a certificate of the authority gets no link', () => {
  const pair = new Pair(generateDtlsIdentity());
  pair.advance(100);
  expect(types(pair.atAnchor)).toEqual(['failed']);
});

test('it lives on for hours, through nonces that end', () => {
  const pair = new Pair();
  pair.advance(3 * 3_600_000);
  expect(types(pair.atJoiner)).toEqual(['secured', 'channel-open']);
  expect(pair.joiner.send(pair.now, 'still here')).toBe(true);
  pair.advance(100);
  expect(pair.atAnchor.at(-1)).toMatchObject({ data: 'still here' });
});

test('both notice within seconds that the way between them is broken', () => {
  const pair = new Pair();
  pair.advance(10_000);
  pair.up = false;
  pair.advance(25_000);
  expect(types(pair.atJoiner)).toContain('failed');
  expect(types(pair.atAnchor)).toContain('failed');
});

test('where nobody answers the attempt ends', () => {
  const pair = new Pair();
  const alone = pair.make('client', joinerIdentity, 'anchor.example');
  let requests = 0;
  for (let at = alone.pollTimeout(); at !== undefined && requests < 100; at = alone.pollTimeout()) {
    alone.handleTimeout(at);
    while (alone.pollTransmit()) requests++;
  }
  expect(alone.pollEvent()).toMatchObject({ type: 'failed' });
  expect(requests).toBeLessThan(30);
});

test('who closes says so', () => {
  const pair = new Pair();
  pair.advance(100);
  pair.joiner.close(pair.now);
  pair.pump();
  expect(types(pair.atAnchor)).toContain('failed');
});

test('no answer is longer than its request, and short requests get none', () => {
  const { validator, now } = new Pair();
  const request = linkRequest(randomBytes(12), undefined);
  expect(request).toHaveLength(LINK_REQUEST_BYTES);
  const { reply } = validator.handle(now, joinerPath, request);
  expect(reply!.length).toBeLessThan(request.length);
  const bare = request.slice(0, 20);
  bare[2] = 0;
  bare[3] = 0;
  expect(validator.handle(now, joinerPath, bare)).toEqual({ reply: undefined, validated: false });
});

test('a nonce is good for the path it was sent to alone, of the process that made it, and not for ever', () => {
  const { validator, now } = new Pair();
  const transaction = randomBytes(12);
  const { reply } = validator.handle(now, joinerPath, linkRequest(transaction, undefined));
  const challenge = readLinkReply(reply!, transaction);
  if (challenge?.type !== 'challenge') throw new Error('no challenge');
  const again = linkRequest(transaction, challenge.nonce);
  expect(validator.handle(now, joinerPath, again).validated).toBe(true);
  expect(validator.handle(now, { ...joinerPath, port: 40_101 }, again).validated).toBe(false);
  expect(validator.handle(now, { ...joinerPath, address: '192.0.2.8' }, again).validated).toBe(false);
  expect(validator.handle(now + 61_000, joinerPath, again).validated).toBe(false);
  const restarted = new LinkPathValidator(randomBytes(32), hmacSha256, 60_000);
  expect(restarted.handle(now, joinerPath, again).validated).toBe(false);
});
