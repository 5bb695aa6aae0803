import { SrtpProfile } from '@conclave/forwarder';
import { NodeClient } from '@conclave/testkit';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { CallPage, eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

/** By the option's names; `cipher` is the name that browsers tell, IANA's for DTLS-SRTP. */
const PROFILES = [
  {
    name: 'aes-128-gcm',
    profile: SrtpProfile.aeadAes128Gcm,
    cipher: 'SRTP_AEAD_AES_128_GCM',
    tagBytes: 16,
  },
  {
    name: 'aes-256-gcm',
    profile: SrtpProfile.aeadAes256Gcm,
    cipher: 'SRTP_AEAD_AES_256_GCM',
    tagBytes: 16,
  },
  {
    name: 'aes-128-cm-sha1-80',
    profile: SrtpProfile.aes128CmSha1_80,
    cipher: 'SRTP_AES128_CM_HMAC_SHA1_80',
    tagBytes: 10,
  },
];
const ALL = PROFILES.map(({ profile }) => profile);
/** Bytes of a packet of `NodeClient.sendAudio` before it is encrypted. */
const CLEAR_BYTES = 60;
const TONES = [440, 770];
/** Louder than this in dB counts as heard; silence reads below -100. */
const HEARD = -60;

let sft: SftProcess | undefined;
const clients: NodeClient[] = [];
const speech: NodeJS.Timeout[] = [];

afterEach(async () => {
  for (const timer of speech.splice(0)) clearInterval(timer);
  for (const client of clients.splice(0)) client.close();
  await sft?.stop();
  sft = undefined;
});

async function join(options: { readonly srtpProfiles: readonly SrtpProfile[] }): Promise<NodeClient> {
  const client = new NodeClient({ sft: sft!.url, conversation: 'profiles', videoSlots: 0, ...options });
  clients.push(client);
  await client.join();
  return client;
}

/** Both speak, until each has heard twenty packets of the other, none of them damaged or lost. */
async function expectTalk(a: NodeClient, b: NodeClient): Promise<void> {
  for (const client of [a, b]) {
    await client.until('both in the list', () => client.roster.length === 2);
    speech.push(setInterval(() => client.sendAudio(20), 20));
  }
  for (const [listener, speaker] of [
    [a, b],
    [b, a],
  ] as const) {
    const entry = listener.roster.find(({ userid }) => userid === speaker.userId);
    await listener.until('the voice', () => listener.heardFrom(Number(entry?.ssrc_audio)) >= 20);
    expect([...listener.rejected]).toEqual([]);
  }
}

describe.each(PROFILES)('a server that accepts $name alone', ({ name, profile, cipher, tagBytes }) => {
  test('carries audio both ways between clients that offer all', async () => {
    sft = await startSftProcess({ flags: ['--srtp-profiles', name] });
    const a = await join({ srtpProfiles: ALL });
    const b = await join({ srtpProfiles: ALL.toReversed() });
    expect(a.protectAudio(20).length - CLEAR_BYTES).toBe(tagBytes);
    await expectTalk(a, b);
  });

  test('takes a client that offers only this, and none that offers only the others', async () => {
    sft = await startSftProcess({ flags: ['--srtp-profiles', name] });
    const client = await join({ srtpProfiles: [profile] });
    const stranger = new NodeClient({
      sft: sft.url,
      conversation: 'profiles',
      srtpProfiles: ALL.filter((other) => other !== profile),
    });
    clients.push(stranger);
    const { type, sdp } = await stranger.prepare();
    await stranger.sendAnswer(type, sdp);
    await stranger.until('the refusal', () => stranger.failure !== undefined);
    expect(stranger.channelOpen).toBe(false);
    expect(client.roster.map(({ userid }) => userid)).toEqual([client.userId]);
  });

  describe('called by browsers', () => {
    let browser: CallBrowser | undefined;
    afterAll(async () => {
      await browser?.close();
    });

    test(`lets them hear each other under ${cipher}`, async () => {
      sft = await startSftProcess({ flags: ['--srtp-profiles', name] });
      browser = await startCallBrowser();
      const calls: CallPage[] = [];
      for (const frequency of TONES) {
        const call = await CallPage.create(await browser.openPage(), {
          sft: sft.url,
          conversation: 'profiles',
          frequency,
          vstreams: 0,
        });
        await call.join();
        calls.push(call);
      }
      for (const [me, call] of calls.entries()) {
        await eventually(
          `the other's tone at page ${me}`,
          () => call.tones(TONES),
          (levels) => levels[1 - me]! > HEARD,
        );
        expect((await call.stats()).srtpCipher).toBe(cipher);
      }
    });
  });
});

test('clients under different profiles hear each other', async () => {
  sft = await startSftProcess();
  const a = await join({ srtpProfiles: [SrtpProfile.aes128CmSha1_80] });
  const b = await join({ srtpProfiles: [SrtpProfile.aeadAes256Gcm] });
  expect(a.protectAudio(20).length - b.protectAudio(20).length).toBe(10 - 16);
  await expectTalk(a, b);
});

test('of those that both know, the one that the server wants most is taken', async () => {
  sft = await startSftProcess({ flags: ['--srtp-profiles', 'aes-128-cm-sha1-80,aes-128-gcm'] });
  const client = await join({ srtpProfiles: ALL });
  expect(client.protectAudio(20).length - CLEAR_BYTES).toBe(10);
});
