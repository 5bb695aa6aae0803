import { randomBytes, webcrypto } from 'node:crypto';
import {
  type Bot,
  type DatagramSocket,
  type JoinMeetingAsBotOptions,
  joinMeetingAsBot,
  openUdpSocket,
  type ReceivedAudioFrame,
  type ReceivedVideoFrame,
} from '@conclave/bot';
import type { Meeting } from '@conclave/client';
import { createMeetingSecret, deriveMediaKey, deriveMeetingKeys, MediaCrypto } from '@conclave/e2ee';
import { NodeClient, payloadTypeOf, RtpPacketFactory } from '@conclave/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { countPatterns, type MemorySearch, searchMemory } from './process-memory.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const PATTERN_BYTES = 32;
const SEND_EVERY_MS = 10;
/** Only a failure takes as long. */
const PATIENCE_MS = 60_000;
const crypto = new MediaCrypto(webcrypto.subtle);

let sft: SftProcess;

beforeAll(async () => {
  sft = await startSftProcess();
});

afterAll(async () => {
  await sft?.stop();
});

/** A name that stands nowhere else by chance. */
function randomName(): string {
  return `Ada ${randomBytes(9).toString('base64url')}`;
}

/** The ways in which a program would hold these bytes. */
function formsOf(name: string, bytes: Uint8Array): [string, Uint8Array][] {
  const buffer = Buffer.from(bytes);
  return [
    [name, bytes],
    [`${name} in hexadecimal`, Buffer.from(buffer.toString('hex'))],
    [`${name} in base64`, Buffer.from(buffer.toString('base64').replace(/=+$/, ''))],
    [`${name} in base64url`, Buffer.from(buffer.toString('base64url'))],
  ];
}

/** The ways in which a program would hold this text. */
function formsOfText(name: string, text: string): [string, Uint8Array][] {
  return [
    [name, Buffer.from(text)],
    [`${name} in two-byte characters`, Buffer.from(text, 'utf16le')],
  ];
}

/** Searches the server's memory, or skips the test where that is not allowed. */
async function searchServer(
  patterns: ReadonlyMap<string, Uint8Array>,
  skip: (reason: string) => never,
): Promise<MemorySearch> {
  return (await searchMemory(sft.pid, patterns)) ?? skip('this user may not read the memory of the server');
}

/** Calls `send` every few milliseconds until it is told to stop. */
function keepSending(send: () => void): () => void {
  const timer = setInterval(send, SEND_EVERY_MS);
  return () => clearInterval(timer);
}

/** An Opus packet by its first byte and a VP8 frame by its first ten bytes, with the pattern in the middle. */
function framesWith(pattern: Uint8Array): { readonly audio: Uint8Array; readonly video: Uint8Array } {
  const head = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
  return {
    audio: Uint8Array.of(0x78, ...randomBytes(20), ...pattern, ...randomBytes(20)),
    video: Uint8Array.of(...head, ...randomBytes(1500), ...pattern, ...randomBytes(500)),
  };
}

test('the server and its packets hold nothing of an encrypted meeting', async ({ skip }) => {
  const pattern = randomBytes(PATTERN_BYTES);
  const secret = createMeetingSecret(randomBytes);
  const keys = await deriveMeetingKeys(crypto, secret);
  const [adaName, bobName] = [randomName(), randomName()];
  const datagrams: Uint8Array[] = [];
  const got = { audio: [] as ReceivedAudioFrame[], video: [] as ReceivedVideoFrame[] };
  const join = (name: string, more: Partial<JoinMeetingAsBotOptions>): Promise<Bot<Meeting>> =>
    joinMeetingAsBot({
      link: { secret, server: sft.url, passphrase: false },
      profile: { name, handRaised: true },
      ...more,
    });
  const ada = await join(adaName, {});
  const bob = await join(bobName, {
    listener: { audio: (frame) => got.audio.push(frame), video: (frame) => got.video.push(frame) },
    openSocket: (address, receive): Promise<DatagramSocket> =>
      openUdpSocket(address, (bytes, ...from) => {
        datagrams.push(bytes);
        receive(bytes, ...from);
      }),
  });
  // Somebody who knows the conference but not its key sees what the server sends behind SRTP and DTLS.
  const packets: Uint8Array[] = [];
  const eavesdropper = new NodeClient({
    sft: sft.url,
    conversation: keys.conferenceId,
    onPacket: (packet) => packets.push(packet),
  });
  await eavesdropper.join();
  const { audio, video } = framesWith(pattern);
  const stop = keepSending(() => {
    ada.sendAudioFrame({ data: audio });
    ada.sendVideoFrame({ data: video });
  });
  try {
    await eventually(
      'that Bob knows Ada by name',
      async () => bob.conference.state.participants,
      (participants) => participants.some(({ profile }) => profile?.name === adaName),
      PATIENCE_MS,
    );
    const adaId = ada.conference.state.selfId;
    bob.conference.watch([{ id: adaId, heightPx: 720 }]);
    eavesdropper.watch(adaId);
    await eventually(
      'frames at Bob and packets at the eavesdropper',
      async () => [got.audio.length, got.video.length, packets.length],
      ([sounds, pictures, overheard]) => sounds! >= 50 && pictures! >= 50 && overheard! >= 200,
      PATIENCE_MS,
    );
    for (const { data } of [...got.audio.slice(-50), ...got.video.slice(-50)]) {
      expect(Buffer.from(data).includes(pattern)).toBe(true);
    }
    const secrets = new Map([
      ...formsOf('the pattern', pattern),
      ...formsOf('the link secret', secret),
      ...formsOf('the session key', keys.sessionKey),
      ...formsOf('the media key', await deriveMediaKey(crypto, keys.sessionKey, keys.conferenceId)),
      ...formsOf('the key of names', keys.boxKey),
      ...formsOfText("Ada's name", adaName),
      ...formsOfText("Bob's name", bobName),
    ]);
    // What the server does hold: its conference's id, and the sealed frames it keeps for repairs.
    const sealed = packets.filter(({ length }) => length > 1000).at(-1)!;
    const known = new Map([
      ...formsOfText('the conference id', keys.conferenceId),
      ['a sealed frame', sealed.subarray(-200, -100)] as const,
    ]);
    const { found, searchedBytes } = await searchServer(new Map([...secrets, ...known]), skip);
    expect(searchedBytes).toBeGreaterThan(30_000_000);
    expect([...found.keys()]).toEqual(expect.arrayContaining(['the conference id', 'a sealed frame']));
    expect([...found.keys()].filter((name) => secrets.has(name))).toEqual([]);
    const sent = Buffer.concat([...datagrams, ...packets]);
    expect(countPatterns(sent, secrets)).toEqual(new Map());
    expect(countPatterns(Buffer.from(JSON.stringify(eavesdropper.messages)), secrets)).toEqual(new Map());
    expect(sft.output()).not.toContain(adaName);
  } finally {
    stop();
    eavesdropper.close();
    await Promise.all([ada.conference.leave(), bob.conference.leave()]);
  }
});

test('the same search finds what a client sends that does not encrypt', async ({ skip }) => {
  const pattern = randomBytes(PATTERN_BYTES);
  const name = randomName();
  const conversation = randomBytes(16).toString('hex');
  const datagrams: Uint8Array[] = [];
  const packets: Uint8Array[] = [];
  const sender = new NodeClient({ sft: sft.url, conversation, video: 'single' });
  const receiver = new NodeClient({
    sft: sft.url,
    conversation,
    onPacket: (packet) => packets.push(packet),
    onDatagram: (datagram) => datagrams.push(datagram),
  });
  await sender.join();
  await receiver.join();
  receiver.watch(sender.userId);
  sender.send({
    type: 'PROPSYNC',
    resp: false,
    dest_userid: 'sft',
    dest_clientid: 'SFT',
    props: { videosend: 'true', screensend: 'false', audiocbr: 'false', muted: 'false', name },
  });
  const section = sender.offer.sections.find(({ mid }) => mid === 'video')!;
  const factory = new RtpPacketFactory({
    ssrc: sender.videoSsrc,
    payloadType: payloadTypeOf(section, 'VP8')!,
    extensions: { genericFrameDescriptor: 11 },
  });
  const payload = Uint8Array.of(0x10, ...framesWith(pattern).audio);
  const stop = keepSending(() => {
    sender.sendRtp(factory.next({ frame: 'key', ticks: 900, marker: true, payload }));
  });
  try {
    await receiver.until('packets', () => packets.length >= 50, PATIENCE_MS);
    const secrets = new Map([...formsOf('the pattern', pattern), ...formsOfText('the name', name)]);
    const { found } = await searchServer(secrets, skip);
    expect(found.get('the pattern')).toBeGreaterThan(0);
    expect(
      (found.get('the name') ?? 0) + (found.get('the name in two-byte characters') ?? 0),
    ).toBeGreaterThan(0);
    expect(countPatterns(Buffer.concat(packets), secrets).get('the pattern')).toBeGreaterThanOrEqual(50);
    expect(
      countPatterns(Buffer.from(JSON.stringify(receiver.messages)), secrets).get('the name'),
    ).toBeGreaterThan(0);
    // On the wire SRTP and DTLS hide even this.
    expect(countPatterns(Buffer.concat(datagrams), secrets)).toEqual(new Map());
  } finally {
    stop();
    sender.close();
    receiver.close();
  }
});
