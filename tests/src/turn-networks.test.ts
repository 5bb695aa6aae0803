import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CallPage, eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { Conversation } from './conversation.ts';
import { mayMakeNamespaces, type TestHost, TestNetwork } from './network-namespace.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';
import { startTurnProcess, type TurnProcess, wireCredential } from './turn-process.ts';
import { type IceServer, WireClient } from './wire-client.ts';

const SIGNALLING = 8585;
const TONES = [440, 770];
const HEARD = -60;

describe.skipIf(!mayMakeNamespaces)('behind a firewall', () => {
  let network: TestNetwork;
  let hosts: Record<'client' | 'turn' | 'sft', TestHost>;
  let turn: TurnProcess | undefined;
  let sft: SftProcess | undefined;
  let browser: CallBrowser | undefined;

  beforeEach(async () => {
    network = new TestNetwork();
    hosts = {
      client: await network.addHost('client'),
      turn: await network.addHost('turn'),
      sft: await network.addHost('sft'),
    };
  });

  afterEach(async () => {
    await browser?.close();
    await sft?.stop();
    await turn?.close();
    await network.close();
  });

  /** Puts the TURN server between client and SFT, as the only way for media, and only over TCP. */
  async function wallOff(): Promise<{ url: string; browser: CallBrowser; iceServers: IceServer[] }> {
    const { client, turn: relay, sft: server } = hosts;
    await network.connect(client, ['10.77.5.2/24'], relay, ['10.77.5.1/24']);
    const inside = await network.connect(server, ['10.77.6.2/24'], relay, ['10.77.6.1/24']);
    await client.run('ip', 'route', 'add', 'default', 'via', '10.77.5.1');
    await server.run('ip', 'route', 'add', 'default', 'via', '10.77.6.1');
    await relay.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    await relay.filter(
      'add table inet wall',
      'add chain inet wall through { type filter hook forward priority 0; policy drop; }',
      'add rule inet wall through ct state established accept',
      `add rule inet wall through tcp dport ${SIGNALLING} accept`,
      'add chain inet wall in { type filter hook input priority 0; }',
      'add rule inet wall in ip saddr 10.77.5.2 tcp dport != 3478 drop',
      'add rule inet wall in ip saddr 10.77.5.2 meta l4proto udp drop',
    );
    [turn, sft] = await Promise.all([
      startTurnProcess({
        prefix: relay.prefix,
        address: '10.77.5.1',
        relayAddress: '10.77.6.1',
        ports: { plain: 3478, tls: 5349, relay: 50_000 },
        flags: ['--allow-peer', '10.77.6.2'],
      }),
      startSftProcess({
        prefix: server.prefix,
        address: '10.77.6.2',
        interfaceName: inside.a,
        ports: { signalling: SIGNALLING, metrics: 49090, media: 40000 },
      }),
    ]);
    browser = await startCallBrowser({ executable: await client.wrapper('/usr/bin/chromium') });
    const { username, password } = wireCredential(readFileSync(turn.files.secret, 'utf8'));
    // One URL in each, as Wire's backend writes them; its clients read no others.
    const iceServers = ['udp', 'tcp'].map((transport) => ({
      urls: [`turn:10.77.5.1:3478?transport=${transport}`],
      username,
      credential: password,
    }));
    return { url: sft.url, browser, iceServers };
  }

  test('that lets TCP to the TURN server pass and signalling, and no media, a call works', async () => {
    const wall = await wallOff();
    const calls: CallPage[] = [];
    for (const frequency of TONES) {
      const call = await CallPage.create(await wall.browser.openPage(), {
        sft: wall.url,
        conversation: 'firewall',
        frequency,
        video: { width: 320, height: 180, frameRate: 15 },
        rtc: { iceServers: wall.iceServers },
      });
      await call.ask('call.media().then(() => undefined)');
      await call.join();
      calls.push(call);
    }
    for (const [me, call] of calls.entries()) {
      await eventually(
        `page ${me} hears the other`,
        () => call.tones(TONES),
        (levels) => levels[1 - me]! > HEARD,
      );
      await call.select('all', 1);
      await eventually(
        `page ${me} sees the other`,
        async () => (await call.stats()).inbound,
        (streams) => streams.some(({ kind, frames }) => kind === 'video' && (frames ?? 0) > 10),
      );
      const { pair } = await call.stats();
      expect(pair?.local).toMatchObject({
        candidateType: 'relay',
        relayProtocol: 'tcp',
        address: '10.77.6.1',
      });
      expect(pair?.remote).toMatchObject({ address: '10.77.6.2', port: 40000 });
    }
  });

  test('Wire clients hold their call in the same way', async () => {
    const wall = await wallOff();
    const clients = TONES.map((frequency) => new WireClient(frequency));
    const conversation = new Conversation(clients);
    for (const client of clients) {
      await client.open(wall.browser, conversation, wall.url, undefined, wall.iceServers);
    }
    for (const [i, client] of clients.entries()) {
      if (i > 0) {
        await eventually('the call is told of', () => client.ask<boolean>('client.incoming'), Boolean);
      }
      await client.ask(i === 0 ? 'client.start()' : 'client.answer()');
      await eventually(
        `client ${i} has media`,
        () => client.ask<string>('client.state'),
        (state) => state === 'MEDIA_ESTAB',
        60_000,
      );
    }
    for (const [me, client] of clients.entries()) {
      await eventually(
        `client ${me} hears the other`,
        () => client.tones(TONES),
        (levels) => levels[1 - me]! > HEARD,
      );
      await eventually(
        `client ${me} sees the other`,
        async () => Object.values(await client.framesShown()),
        (frames) => frames.length === 1 && frames[0]! > 15,
      );
      expect((await client.crypto()).failed).toBe(0);
    }
  }, 180_000);
});
