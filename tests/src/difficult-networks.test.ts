import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CallPage, eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { mayMakeNamespaces, type TestHost, TestNetwork } from './network-namespace.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const PORTS = { signalling: 8585, metrics: 49090, media: 40000 };
const TONES = [440, 770];
const HEARD = -60;

describe.skipIf(!mayMakeNamespaces)('over a network of its own', () => {
  let network: TestNetwork;
  let server: TestHost;
  let client: TestHost;
  let sft: SftProcess | undefined;
  let browser: CallBrowser | undefined;

  beforeEach(async () => {
    network = new TestNetwork();
    server = await network.addHost('server');
    client = await network.addHost('client');
  });

  afterEach(async () => {
    await browser?.close();
    await sft?.stop();
    await network.close();
  });

  /** Two pages on the client's host in one call with video. */
  async function callOfTwo(url: string, video = true): Promise<[CallPage, CallPage]> {
    browser = await startCallBrowser({ executable: await client.wrapper('/usr/bin/chromium') });
    const calls: CallPage[] = [];
    for (const frequency of TONES) {
      const call = await CallPage.create(await browser.openPage(), {
        sft: url,
        conversation: 'network',
        frequency,
        ...(video ? { video: { width: 640, height: 360, frameRate: 20 } } : {}),
      });
      await call.ask('call.media().then(() => undefined)');
      await call.join();
      calls.push(call);
    }
    const [a, b] = calls as [CallPage, CallPage];
    await eventually(
      'both in the list',
      () => a.roster(),
      (r) => r.length === 2,
    );
    await eventually(
      'a hears b',
      () => a.tones(TONES),
      (levels) => levels[1]! > HEARD,
    );
    await eventually(
      'b hears a',
      () => b.tones(TONES),
      (levels) => levels[0]! > HEARD,
    );
    return [a, b];
  }

  test('where UDP is blocked the call runs over TCP on the same port', async () => {
    const cable = await network.connect(server, ['10.77.1.1/24'], client, ['10.77.1.2/24']);
    await server.loseUdp(100);
    sft = await startSftProcess({
      prefix: server.prefix,
      address: '10.77.1.1',
      interfaceName: cable.a,
      ports: PORTS,
    });
    const [a] = await callOfTwo(sft.url);
    const { pair } = await a.stats();
    expect(pair?.local.protocol).toBe('tcp');
    expect(pair?.remote.port).toBe(PORTS.media);
    await a.select('all', 1);
    await eventually(
      'video over TCP',
      async () => (await a.stats()).inbound.some((s) => s.kind === 'video' && (s.frames ?? 0) > 20),
      Boolean,
    );
  });

  test('a network with IPv6 alone carries the call', async () => {
    const cable = await network.connect(server, ['fd77::1/64'], client, ['fd77::2/64']);
    sft = await startSftProcess({
      prefix: server.prefix,
      address: 'fd77::1',
      interfaceName: cable.a,
      ports: PORTS,
    });
    const [a] = await callOfTwo(sft.url);
    const { pair } = await a.stats();
    expect(pair?.remote.address).toBe('fd77::1');
    expect(pair?.local.protocol).toBe('udp');
  });

  test('behind a 1:1 NAT clients are told the public address and reach it', async () => {
    const nat = await network.addHost('nat');
    const inside = await network.connect(server, ['10.77.2.2/24'], nat, ['10.77.2.1/24']);
    await network.connect(nat, ['203.0.113.1/24'], client, ['203.0.113.9/24']);
    await server.run('ip', 'route', 'add', 'default', 'via', '10.77.2.1');
    await nat.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    await nat.filter(
      'add table ip nat',
      'add chain ip nat before { type nat hook prerouting priority -100; }',
      'add rule ip nat before ip daddr 203.0.113.1 dnat to 10.77.2.2',
      'add chain ip nat after { type nat hook postrouting priority 100; }',
      'add rule ip nat after ip saddr 10.77.2.2 snat to 203.0.113.1',
    );
    sft = await startSftProcess({
      prefix: server.prefix,
      address: '10.77.2.2',
      interfaceName: inside.a,
      ports: PORTS,
      flags: ['-A', '203.0.113.1', '-u', `http://203.0.113.1:${PORTS.signalling}`],
    });
    const [a] = await callOfTwo(`http://203.0.113.1:${PORTS.signalling}`, false);
    const { pair } = await a.stats();
    expect(pair?.remote.address).toBe('203.0.113.1');
    expect(await a.ask<string>('call.offer')).not.toContain('10.77.2.2');
  });

  test('with one packet in twenty lost each way the picture stands still for less than a tenth of the time', async () => {
    const cable = await network.connect(server, ['10.77.3.1/24'], client, ['10.77.3.2/24']);
    sft = await startSftProcess({
      prefix: server.prefix,
      address: '10.77.3.1',
      interfaceName: cable.a,
      ports: PORTS,
    });
    const [a, b] = await callOfTwo(sft.url);
    await a.select('all', 1);
    const video = async () => (await a.stats()).inbound.find((s) => s.kind === 'video' && s.packets > 0);
    await eventually('video', video, (s) => (s?.frames ?? 0) > 20);
    const before = (await video())!;
    for (const host of [server, client]) await host.loseUdp(5);
    await new Promise((resolve) => setTimeout(resolve, 30_000));
    const after = (await video())!;
    for (const host of [server, client]) await host.loseNothing();
    expect(after.nacks - before.nacks).toBeGreaterThan(0);
    expect(after.retransmitted! - (before.retransmitted ?? 0)).toBeGreaterThan(0);
    // On the way in, the server asks the sender for what it misses.
    const upstream = (await b.stats()).outbound.filter((s) => s.kind === 'video');
    expect(upstream.reduce((sum, s) => sum + (s.nacks ?? 0), 0)).toBeGreaterThan(0);
    expect(after.frozenSeconds! - (before.frozenSeconds ?? 0)).toBeLessThan(3);
    expect(after.frames! - before.frames!).toBeGreaterThan(30 * 10);
  }, 180_000);
});
