import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { CertificateAuthority, NodeClient } from '@conclave/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { FederatedServers, type ServerWishes } from './federation.ts';
import type { SftProcess } from './sft-process.ts';
import { UdpRelay } from './udp-relay.ts';

let federation: FederatedServers;
let alpha: SftProcess;
let conversations = 0;
const clients: NodeClient[] = [];
/** As real clients, these say every few seconds that they are there. */
const pings = setInterval(() => {
  for (const client of clients) if (client.channelOpen) void client.ping().catch(() => undefined);
}, 5000);

beforeAll(async () => {
  federation = await FederatedServers.create();
  alpha = await federation.start('alpha.example', ['beta.example', 'gamma.example']);
});

afterAll(async () => {
  clearInterval(pings);
  for (const client of clients) client.close();
  await federation?.close();
});

interface Anchor {
  readonly url: string;
  readonly tuple: string;
}

async function joinAt(sft: SftProcess, conversation: string, anchor?: Partial<Anchor>): Promise<NodeClient> {
  const request = anchor && { sft_url: anchor.url, sft_tuple: anchor.tuple };
  const client = new NodeClient({ sft: sft.url, conversation, ...(request ? { request } : {}) });
  clients.push(client);
  await client.join();
  return client;
}

async function startAtAlpha(): Promise<{ ann: NodeClient; conversation: string; anchor: Anchor }> {
  const conversation = `trust${conversations++}`;
  const ann = await joinAt(alpha, conversation);
  return { ann, conversation, anchor: { url: String(ann.setup?.url), tuple: String(ann.setup?.sft_tuple) } };
}

/** Speaks as people do, packet by packet, until the listener has got one more of them. */
async function speakUntilHeard(speaker: NodeClient, listener: NodeClient): Promise<void> {
  const heard = () =>
    [...listener.received.values()].reduce(
      (sum, stream) => sum + (stream.sources.get(speaker.audioSsrc) ?? 0),
      0,
    );
  const before = heard();
  const talk = setInterval(() => speaker.sendAudio(20), 20);
  try {
    await listener.until('the voice', () => heard() > before);
  } finally {
    clearInterval(talk);
  }
}

/** Waits until the server has tried its link and says why there is none. */
async function linkRefused(sft: SftProcess): Promise<string> {
  const lines = await eventually(
    'the link is refused',
    () =>
      Promise.resolve(
        sft
          .output()
          .split('\n')
          .filter((line) => /"what":"down"|anchor"/.test(line)),
      ),
    (found) => found.length > 0,
  );
  return lines.join('\n');
}

async function expectNoLink(wishes: ServerWishes, domain: string, reason: RegExp): Promise<void> {
  const { ann, conversation, anchor } = await startAtAlpha();
  const beta = await federation.start(domain, ['alpha.example'], wishes);
  const bob = await joinAt(beta, conversation, anchor);
  expect(await linkRefused(beta)).toMatch(reason);
  expect(await beta.metric('conclave_sft_links')).toBe(0);
  // Those of one domain go on among themselves.
  const bea = await joinAt(beta, conversation, anchor);
  await bob.until('both of this domain in the list', () => bob.roster.length === 2);
  expect(ann.roster).toHaveLength(1);
  for (const client of [ann, bob, bea]) await client.leave();
}

test('a server with a certificate of another authority gets no link', async () => {
  const authority = await CertificateAuthority.create('elsewhere');
  await expectNoLink({ authority }, 'beta.example', /DTLS closed|no link within|nothing heard/);
});

test('a server whose certificate has expired gets no link', async () => {
  const [notBefore, notAfter] = [new Date(Date.now() - 9e8), new Date(Date.now() - 1e8)];
  await expectNoLink({ notBefore, notAfter }, 'beta.example', /DTLS closed|no link within|nothing heard/);
});

test('a server of a domain that is not on the list gets no link', async () => {
  await expectNoLink({}, 'delta.example', /DTLS closed|no link within|nothing heard/);
});

test('a server that calls itself otherwise than its certificate does is parted from', async () => {
  const { ann, conversation, anchor } = await startAtAlpha();
  const beta = await federation.start('beta.example', ['alpha.example'], {
    certifiedName: 'sft.gamma.example',
  });
  const bob = await joinAt(beta, conversation, anchor);
  await eventually(
    'the link comes up, and is of no use',
    () => Promise.resolve(beta.output()),
    (output) => output.includes('"what":"up"'),
  );
  await bob.ping();
  expect(bob.roster).toHaveLength(1);
  expect(ann.roster).toHaveLength(1);
  await bob.leave();
  await ann.leave();
});

test.each([
  ['a server that is no partner', { url: 'https://sft.evil.example' }, 'not-a-partner'],
  ['a URL that is none', { url: 'gopher://sft.alpha.example' }, 'bad-url'],
  ['a name instead of an address', { tuple: 'sft.alpha.example:9190' }, 'bad-tuple'],
  ['an address without a port', { tuple: '127.0.0.1' }, 'bad-tuple'],
  ['a private address', { tuple: '10.0.0.1:9190' }, 'address-denied'],
  ['the metadata service of clouds', { tuple: '169.254.169.254:80' }, 'address-denied'],
  ['a mapped form of a private address', { tuple: '[::ffff:10.0.0.1]:9190' }, 'address-denied'],
])('a client that names %s as anchor makes the server send nothing', async (_what, wrong, reason) => {
  const { ann, conversation, anchor } = await startAtAlpha();
  const beta = await federation.start('beta.example', ['alpha.example']);
  const bob = await joinAt(beta, conversation, { ...anchor, ...wrong });
  expect(await linkRefused(beta)).toContain(reason);
  expect(bob.roster.length).toBeLessThanOrEqual(1);
  await bob.leave();
  await ann.leave();
  await beta.stop();
});

test('junk at the port for links is ignored, and unproved addresses get no more bytes than they send', async () => {
  const { ann, conversation, anchor } = await startAtAlpha();
  const port = Number(anchor.tuple.split(':')[1]);
  const socket = createSocket('udp4');
  let answered = 0;
  let sent = 0;
  socket.on('message', (bytes) => {
    answered += bytes.length;
  });
  for (let i = 0; i < 500; i++) {
    const junk = randomBytes(1 + (i % 300));
    if (i % 3 === 0 && junk.length >= 20) {
      junk.writeUInt16BE(1, 0);
      junk.writeUInt16BE(junk.length - 20, 2);
      junk.writeUInt32BE(0x2112a442, 4);
    }
    sent += junk.length;
    socket.send(junk, port, '127.0.0.1');
    if (i % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
  }
  const beta = await federation.start('beta.example', ['alpha.example']);
  const bob = await joinAt(beta, conversation, anchor);
  await bob.until('the list of both domains', () => bob.roster.length === 2);
  expect(answered).toBeLessThanOrEqual(sent);
  socket.close();
  await bob.leave();
  await ann.leave();
  await beta.stop();
});

test('a broken link is mended, and nobody was missing meanwhile', async () => {
  const { ann, conversation, anchor } = await startAtAlpha();
  const relay = await UdpRelay.create(Number(anchor.tuple.split(':')[1]));
  const beta = await federation.start('beta.example', ['alpha.example']);
  const bob = await joinAt(beta, conversation, { ...anchor, tuple: `127.0.0.1:${relay.port}` });
  await bob.until('the list of both domains', () => bob.roster.length === 2);
  await ann.until('the list of both domains', () => ann.roster.length === 2);
  const listsBefore = [ann, bob].map((client) => client.messages.length);
  relay.open = false;
  const links = (sft: SftProcess) => () => sft.metric('conclave_sft_links');
  await eventually('the joiner notices', links(beta), (count) => count === 0, 30_000);
  relay.open = true;
  await eventually('the link is back', links(beta), (count) => count === 1, 30_000);
  await bob.until('all in the list', () => bob.roster.length === 2, 20_000);
  await ann.until('all in the list', () => ann.roster.length === 2, 20_000);
  for (const [i, client] of [ann, bob].entries()) {
    const lists = client.messages.slice(listsBefore[i]).filter((message) => message.type === 'CONFPART');
    for (const list of lists) expect(list.participants).toHaveLength(2);
  }
  await speakUntilHeard(ann, bob);
  expect(relay.passed.some(({ bytes }) => bytes[0]! >= 128)).toBe(true);
  relay.close();
  await bob.leave();
  await ann.leave();
  await beta.stop();
});

test('when the anchor dies, its partners say so and go on', async () => {
  const gamma = await federation.start('gamma.example', ['beta.example']);
  const beta = await federation.start('beta.example', ['gamma.example']);
  const conversation = `trust${conversations++}`;
  const gus = await joinAt(gamma, conversation);
  const anchor = { url: String(gus.setup?.url), tuple: String(gus.setup?.sft_tuple) };
  const bob = await joinAt(beta, conversation, anchor);
  const bea = await joinAt(beta, conversation, anchor);
  await bob.until('three in the list', () => bob.roster.length === 3);
  await gamma.stop();
  gus.close();
  await bob.until('the anchor is gone', () => bob.roster.length === 2, 45_000);
  await speakUntilHeard(bea, bob);
  await bob.leave();
  await bea.leave();
  await beta.stop();
});
