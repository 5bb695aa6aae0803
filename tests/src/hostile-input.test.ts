import { createSocket, type Socket } from 'node:dgram';
import { type Socket as Connection, connect } from 'node:net';
import { NodeClient, SeededRandom } from '@conclave/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { holdingsOf } from './joins-and-leaves.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

/** What thousands of bad messages may leave behind: garbage not yet collected, and buffers of the allocator. */
const MAX_GROWTH_KB = 40_000;
const CONVERSATION = 'undisturbed';
/** Longest body the server reads. */
const MAX_BODY_BYTES = 524_288;

let sft: SftProcess;
let speaker: NodeClient;
let listener: NodeClient;
let talking: NodeJS.Timeout;
let spoken = 0;
let residentBefore: number;

beforeAll(async () => {
  sft = await startSftProcess({ flags: ['--request-rate', '100000', '--request-burst', '100000'] });
  speaker = new NodeClient({ sft: sft.url, conversation: CONVERSATION });
  listener = new NodeClient({ sft: sft.url, conversation: CONVERSATION });
  await speaker.join();
  await listener.join();
  await listener.until('both in the list', () => listener.roster.length === 2 && speaker.roster.length === 2);
  startTalking();
  await listener.until('the voice', () => listener.heard > 10);
  // What was said before the listener authorised the speaker does not count.
  spoken = listener.heard;
  residentBefore = (await holdingsOf(sft)).residentKb;
});

afterAll(async () => {
  clearInterval(talking);
  speaker?.close();
  listener?.close();
  await sft?.stop();
});

function startTalking(): void {
  talking = setInterval(() => {
    speaker.sendAudio(20);
    spoken += 1;
  }, 20);
}

/** The call that goes on beside the attack loses nothing, and the server keeps no more than the bound. */
async function expectCallUndisturbed(): Promise<void> {
  const before = listener.heard;
  await listener.until('the voice goes on', () => listener.heard > before + 10);
  for (const stream of listener.received.values()) expect(stream.gaps).toBe(0);
  // A packet or two may be on their way.
  expect(Math.abs(spoken - listener.heard)).toBeLessThan(5);
  expect(listener.rejected.size).toBe(0);
  const { residentKb } = await holdingsOf(sft);
  expect(residentKb - residentBefore).toBeLessThan(MAX_GROWTH_KB);
}

/** All counters by name, with their labels as the server writes them. */
async function counters(): Promise<Map<string, number>> {
  const text = await (await fetch(`${sft.metricsUrl}/metrics`)).text();
  const values = new Map<string, number>();
  for (const [, name, value] of text.matchAll(/^(\w+(?:\{[^}]*\})?) ([-0-9.e+]+)$/gm)) {
    values.set(name!, Number(value));
  }
  return values;
}

const refusals = (reason: string): string => `conclave_sft_refusals_total{reason="${reason}"}`;
const drops = (reason: string): string => `conclave_forwarder_dropped_${reason}_total`;

/** Does something and waits until every counter named has risen by at least its number. */
async function expectCounted(
  least: Readonly<Record<string, number>>,
  act: () => Promise<void>,
): Promise<void> {
  const before = await counters();
  await act();
  const risen = async (): Promise<Record<string, number>> => {
    const after = await counters();
    return Object.fromEntries(
      Object.keys(least).map((name) => [name, (after.get(name) ?? 0) - (before.get(name) ?? 0)]),
    );
  };
  await eventually('all is counted', risen, (rise) =>
    Object.entries(least).every(([name, n]) => rise[name]! >= n),
  );
}

/** Writes raw bytes to the signalling port and resolves with what comes back before the connection ends. */
function rawHttp(bytes: Uint8Array | string): Promise<string> {
  const { hostname, port } = new URL(sft.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
    // Ending our side tells the server that there is nothing more to wait for.
    socket.end(bytes);
  });
}

async function post(path: string, body: string): Promise<number> {
  const response = await fetch(`${sft.url}${path}`, { method: 'POST', body });
  await response.arrayBuffer();
  return response.status;
}

/** A socket that belongs to no client, and a way to send from it to the media port. */
async function foreignSocket(): Promise<{ readonly socket: Socket; send(bytes: Uint8Array): Promise<void> }> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const send = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) => socket.send(bytes, sft.mediaPort, '127.0.0.1', () => resolve()));
  return { socket, send };
}

/** Lets the server's socket be read now and then, so that the flood is not lost in the kernel. */
const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

test('junk at the signalling port is refused and counted by reason', async () => {
  const random = new SeededRandom(1);
  const request = JSON.stringify({
    version: '3.0',
    type: 'CONFCONN',
    sessid: 'x',
    src_userid: 'u',
    src_clientid: '_',
    resp: false,
  });
  const texts = Array.from(request, (_, length) => request.slice(0, length));
  texts.push(
    '['.repeat(200_000),
    '{"a":'.repeat(50_000),
    `${request.slice(0, -1)},"x":"${'y'.repeat(400_000)}"`,
  );
  texts.push('null', '[]', '""', '\u0000', '{"__proto__":{"type":"CONFCONN"}}');
  await expectCounted({ [refusals('bad-message')]: texts.length }, async () => {
    const statuses = await Promise.all(texts.map((text) => post('/sft/hostile', text)));
    expect(new Set(statuses)).toEqual(new Set([400]));
  });

  const paths = [
    '/sft/',
    '/sft',
    '/sft/%00',
    '/sft/%zz',
    '/sft/a/b/c/d/e',
    `/sft/${'x'.repeat(5000)}`,
    '/../../etc/passwd',
  ];
  paths.push('/sft/a%0d%0aset-cookie:%20x', '/sft/%2e%2e%2fetc', '/sft/\u0080');
  await expectCounted({ [refusals('bad-path')]: 5 }, async () => {
    for (const path of paths) {
      const reply = await rawHttp(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
      expect(reply, path).toMatch(/^HTTP\/1\.1 400 /);
      expect(reply.toLowerCase()).not.toContain('set-cookie');
    }
  });

  await expectCounted({ [refusals('bad-http')]: 55 }, async () => {
    for (let i = 0; i < 50; i++) {
      const bytes = random.bytes(20 + ((i * 37) % 900));
      // Nothing that begins like a method.
      bytes[0] = 128 + random.below(128);
      expect(await rawHttp(bytes)).toMatch(/^(HTTP\/1\.1 400 |$)/);
    }
    for (let i = 0; i < 5; i++) {
      const head = `POST /sft/hostile HTTP/1.1\r\nHost: x\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`;
      expect(await rawHttp(head)).toMatch(/^HTTP\/1\.1 413 /);
    }
  });
  expect(await sft.metric('sft_calls')).toBe(1);
  await expectCallUndisturbed();
});

test('an answer cut off anywhere is refused and counted', async () => {
  const caller = new NodeClient({ sft: sft.url, conversation: 'answers' });
  const { type, sdp } = await caller.prepare();
  const end = sdp.indexOf('m=application');
  let refused = 0;
  await expectCounted({ [refusals('answer-unusable')]: Math.floor(end / 31) }, async () => {
    for (let cut = 0; cut < end; cut += 31) {
      await expect(caller.sendAnswer(type, sdp.slice(0, cut))).rejects.toThrow('HTTP 400');
      refused += 1;
    }
  });
  expect(refused).toBeGreaterThanOrEqual(50);
  // None of them was taken for the answer.
  await caller.sendAnswer(type, sdp);
  await caller.until('the list', () => caller.roster.length === 1);
  await expectCounted({ [refusals('answer-unexpected')]: 1 }, async () => {
    await expect(caller.sendAnswer(type, sdp)).rejects.toThrow('HTTP 400');
  });
  await caller.leave();
  await expectCallUndisturbed();
});

test('an answer with thousands of candidates costs no more than one with a few', async () => {
  const caller = new NodeClient({ sft: sft.url, conversation: 'candidates' });
  const { type, sdp } = await caller.prepare();
  const many = Array.from(
    { length: 8000 },
    (_, i) => `a=candidate:${i} 1 udp 1 10.${i >> 8}.${i & 255}.1 9 typ host`,
  );
  many.push(
    'a=candidate:x 1 udp 1 host.example 9 typ host',
    'a=candidate:',
    `a=candidate:${'9'.repeat(5000)}`,
  );
  const sent = await sft.metric('conclave_forwarder_sent_packets_total');
  const answer = sdp.replace('a=rtcp-mux', `${many.join('\r\n')}\r\na=rtcp-mux`);
  const outcome = await caller.sendAnswer(type, answer).then(
    () => 'taken',
    (error: Error) => error.message,
  );
  // Either is right: a bound on lines, or a bound on what is kept of them.
  expect(['taken', 'HTTP 400']).toContain(outcome);
  if (outcome === 'HTTP 400') await caller.sendAnswer(type, sdp);
  await caller.until('the list', () => caller.roster.length === 1);
  await caller.leave();
  expect((await sft.metric('conclave_forwarder_sent_packets_total')) - sent).toBeLessThan(2000);
  await expectCallUndisturbed();
});

test('junk from addresses that belong to nobody is dropped and counted by reason', async () => {
  const random = new SeededRandom(2);
  const foreign = await foreignSocket();
  const stun = Buffer.concat([Buffer.from('000100002112a442', 'hex'), random.bytes(12)]);
  const hello = Buffer.from(`16fefd${'00'.repeat(8)}0040${'ab'.repeat(64)}`, 'hex');
  const media = Buffer.from(`806f0001${'00'.repeat(4)}deadbeef${'11'.repeat(40)}`, 'hex');
  const feedback = Buffer.from(`81c90007${'00'.repeat(28)}`, 'hex');
  let sent = 0;
  // The first bytes that RFC 7983 gives to nobody we serve.
  const unclassified = (bytes: Uint8Array): boolean => {
    const first = bytes[0];
    return first === undefined || (first > 3 && first < 20) || (first > 63 && first < 128) || first > 191;
  };
  const expected = { unclassified: 0, foreign: 0, stun: 0 };
  const send = async (bytes: Uint8Array): Promise<void> => {
    if (unclassified(bytes)) expected.unclassified += 1;
    else if (bytes[0]! < 4) expected.stun += 1;
    else expected.foreign += 1;
    await foreign.send(bytes);
    sent += 1;
    if (sent % 50 === 0) await breathe();
  };
  const before = await counters();
  for (const whole of [stun, hello, media, feedback]) {
    for (let cut = 1; cut <= whole.length; cut++) await send(whole.subarray(0, cut));
  }
  for (let i = 0; i < 5000; i++) await send(random.bytes(1 + (i % 1400)));
  foreign.socket.close();
  const rise = async (): Promise<Record<keyof typeof expected, number>> => {
    const after = await counters();
    const of = (...names: string[]): number =>
      names.reduce((sum, name) => sum + (after.get(name) ?? 0) - (before.get(name) ?? 0), 0);
    return {
      unclassified: of(drops('not_demultiplexed')),
      foreign: of(drops('no_path'), drops('malformed')),
      stun: of('conclave_sft_stun_refusals_total{reason="unknown-peer"}'),
    };
  };
  await eventually(
    'every one of them is counted',
    rise,
    (rose) => JSON.stringify(rose) === JSON.stringify(expected),
  );
  await expectCallUndisturbed();
});

test('junk from the address of a participant gets no further than its tag', async () => {
  const random = new SeededRandom(3);
  await expectCounted({ [drops('bad_tag')]: 1000 }, async () => {
    for (let i = 0; i < 2000; i++) {
      const bytes = random.bytes(40 + (i % 1100));
      bytes[0] = 0x80;
      // Half of it is RTP, half RTCP (RFC 5761 §4).
      bytes[1] = i % 2 ? 111 : 200 + (i % 7);
      speaker.sendRaw(bytes);
      // DTLS that is none.
      speaker.sendRaw(Buffer.concat([Buffer.from([20 + (i % 44)]), random.bytes(i % 100)]));
      if (i % 25 === 0) await breathe();
    }
  });
  // Its own packets, with any one byte changed.
  await expectCounted({ [drops('bad_tag')]: 30 }, async () => {
    for (let at = 20; at < 60; at++) {
      const packet = speaker.protectAudio(20);
      const damaged = Uint8Array.from(packet);
      damaged[at]! ^= 1;
      speaker.sendRaw(damaged);
      speaker.sendRaw(packet);
      spoken += 1;
      await breathe();
    }
  });
  // Cut short at every length.
  const whole = speaker.protectAudio(20);
  for (let length = 0; length < whole.length; length++) speaker.sendRaw(whole.subarray(0, length));
  speaker.sendRaw(whole);
  spoken += 1;
  await expectCallUndisturbed();
});

test('a replayed media packet is not forwarded twice', async () => {
  clearInterval(talking);
  try {
    // What was said before is still under way.
    for (let seen = -1; seen !== listener.heard; ) {
      seen = listener.heard;
      await speaker.ping();
      await listener.ping();
    }
    const before = listener.heard;
    await expectCounted({ [drops('replayed')]: 9 }, async () => {
      const packet = speaker.protectAudio(20);
      for (let i = 0; i < 10; i++) speaker.sendRaw(packet);
      speaker.sendAudio(20, 1);
      spoken += 2;
      await listener.until('two more', () => listener.heard >= before + 2);
    });
    expect(listener.heard).toBe(before + 2);
  } finally {
    startTalking();
  }
  await expectCallUndisturbed();
});

test('a participant that sends more than its share disturbs nobody', async () => {
  const random = new SeededRandom(6);
  const greedy = new NodeClient({ sft: sft.url, conversation: CONVERSATION });
  await greedy.join();
  await listener.until('all three in the list', () => listener.roster.length === 3);
  const least = { [drops('too_many_ssrcs')]: 300, [drops('unknown_ssrc')]: 1, [drops('oversize')]: 5 };
  await expectCounted(least, async () => {
    // A hundred streams with good tags, of which few may be held and none is forwarded.
    for (let packet = 0; packet < 1000; packet++) {
      const rtp = Buffer.from(random.bytes(60));
      rtp[0] = 0x80;
      rtp[1] = 111;
      rtp.writeUInt16BE(Math.floor(packet / 100), 2);
      rtp.writeUInt32BE(0x10000 + (packet % 100), 8);
      greedy.sendRtp(rtp);
      if (packet % 25 === 0) await breathe();
    }
    for (let i = 0; i < 10; i++) {
      greedy.sendRaw(Buffer.concat([Buffer.from([0x80, 111]), random.bytes(60_000)]));
      await breathe();
    }
  });
  await greedy.leave();
  await listener.until('two in the list again', () => listener.roster.length === 2);
  await expectCallUndisturbed();
});

/** A TCP connection to the media port, once it is accepted by the system. */
function connectMedia(): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect(sft.mediaPort, '127.0.0.1', () => resolve(socket));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') reject(error);
    });
  });
}

test('connections that hold the media port open are bounded', async () => {
  const sockets = await Promise.all(Array.from({ length: 100 }, () => connectMedia()));
  // The length of a frame (RFC 4571) that may come but never does, or none at all.
  for (const [i, socket] of sockets.entries())
    if (i % 2 === 0) socket.write(Buffer.from([0x07, 0xff, 1, 2, 3]));
  await eventually(
    'those over the bound of one address are refused',
    () => sft.metric(drops('tcp_limit')),
    (count) => count >= 100 - 64,
  );
  for (const socket of sockets) socket.destroy();
  await expectCallUndisturbed();
});

test('a connection whose first frame is junk is closed', async () => {
  const random = new SeededRandom(4);
  for (let i = 0; i < 20; i++) {
    const socket = await connectMedia();
    const closed = new Promise((resolve) => socket.on('close', resolve));
    const junk = random.bytes(100);
    junk[0] = 20 + (i % 200);
    socket.resume();
    socket.write(Buffer.concat([Buffer.from([0, 100]), junk]));
    await closed;
  }
  await expectCallUndisturbed();
});

test('junk on the signalling channel is ignored, and a flood ends only the call of its sender', async () => {
  const hostile = new NodeClient({ sft: sft.url, conversation: 'hostile-channel' });
  const bystander = new NodeClient({ sft: sft.url, conversation: 'hostile-channel' });
  await hostile.join();
  await bystander.join();
  await bystander.until('both', () => bystander.roster.length === 2 && hostile.roster.length === 2);
  const list = JSON.stringify({
    version: '3.0',
    type: 'CONFPART',
    sessid: '',
    src_userid: hostile.userId,
    src_clientid: '_',
    resp: true,
    should_start: false,
    timestamp: '0',
    seqno: '0',
    participants: hostile.roster,
  });
  const texts = [
    '{}',
    'null',
    '[',
    '['.repeat(60_000),
    '{"__proto__":{"polluted":true}}',
    '\u0000',
    '\ud800',
  ];
  texts.push('x'.repeat(100_000), '{"type":"HANGUP\\r\\n{\\"level\\":50}"}');
  for (let cut = 1; cut < list.length; cut += 7) texts.push(list.slice(0, cut));
  for (const text of texts) {
    hostile.sendText(text);
    // Below the rate that would be a flood, for which long messages count more.
    await new Promise((resolve) => setTimeout(resolve, 12));
  }
  await hostile.ping();
  for (let i = 0; i < 2000; i++) hostile.sendText('{}');
  await bystander.until('the flooder is gone', () => bystander.roster.length === 1);
  await bystander.leave();
  hostile.close();
  await expectCallUndisturbed();
});

test('nothing of all this made the server fail inside, or write what it was sent into its log', () => {
  const lines = sft.output().trim().split('\n');
  for (const line of lines) {
    // But for the one sentence to the operator, every line is an object.
    if (line.startsWith('conclave: the SFT is running at ')) continue;
    const entry = JSON.parse(line) as { readonly level?: unknown };
    expect(['error', 'fatal', 50, 60], line).not.toContain(entry.level);
  }
  expect(sft.output()).not.toContain('passwd');
  expect(sft.output()).not.toContain('polluted');
});
