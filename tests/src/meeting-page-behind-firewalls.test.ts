import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { mayMakeNamespaces, type TestHost, TestNetwork } from './network-namespace.ts';
import { PageVisitor } from './page-visitor.ts';
import { type SiteProcess, startSiteProcess } from './site-process.ts';
import { makeCertificate, pinOf } from './turn-process.ts';

const NAME = 'meet.test';
const SERVER = '10.77.9.1';
const AUDIBLE_DB = -50;
const PEOPLE = { Ada: 400, Bob: 700 } as const;
const FREQUENCIES = Object.values(PEOPLE);

describe.skipIf(!mayMakeNamespaces)(
  'the meeting page where a firewall lets nothing reach the media port',
  () => {
    let network: TestNetwork;
    let server: TestHost;
    let client: TestHost;
    let folder: string;
    let site: SiteProcess | undefined;
    let browser: CallBrowser | undefined;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'conclave-firewall-'));
      network = new TestNetwork();
      server = await network.addHost('server');
      client = await network.addHost('client');
      await network.connect(server, [`${SERVER}/24`], client, ['10.77.9.2/24']);
    });

    afterEach(async () => {
      await browser?.close();
      await site?.close();
      await network.close();
      rmSync(folder, { recursive: true });
      site = undefined;
      browser = undefined;
    });

    /** Starts a site with a certificate, of which clients reach the page and these TCP ports alone. */
    async function startBehind(ports: readonly number[]): Promise<CallBrowser> {
      const { certificate, key } = makeCertificate(folder, NAME);
      await server.filter(
        'add table inet wall',
        'add chain inet wall in { type filter hook input priority 0; }',
        'add rule inet wall in ip saddr 10.77.9.2 meta l4proto udp drop',
        `add rule inet wall in ip saddr 10.77.9.2 tcp dport != { 443, ${ports.join(', ')} } drop`,
      );
      const flags = ['--domain', NAME, '--tls-cert', certificate, '--tls-key', key, '-w', '1'];
      site = await startSiteProcess({ prefix: server.prefix, flags });
      return startCallBrowser({
        executable: await client.wrapper('/usr/bin/chromium'),
        flags: [
          `--ignore-certificate-errors-spki-list=${pinOf(certificate)}`,
          `--host-resolver-rules=MAP ${NAME} ${SERVER}`,
        ],
      });
    }

    test.each([
      ['TCP', 3478],
      ['TLS', 5349],
    ])('holds a meeting over %s to the TURN port alone', async (type, port) => {
      browser = await startBehind([port]);
      const ada = await PageVisitor.open(browser, { frequency: PEOPLE.Ada, colour: '#e00000' });
      const link = await ada.makeMeeting(`https://${NAME}/`, 'Ada');
      const bob = await PageVisitor.open(browser, { frequency: PEOPLE.Bob, colour: '#00b000' });
      await bob.joinBy(link, 'Bob');
      for (const [visitor, other, at] of [
        [ada, 'Bob', 1],
        [bob, 'Ada', 0],
      ] as const) {
        await eventually(
          `the voice of ${other}`,
          () => visitor.heard(FREQUENCIES),
          (levels) => levels[at]! > AUDIBLE_DB,
        );
        await eventually(
          `the picture of ${other}`,
          () => visitor.seen(other),
          (seen) => seen !== null && Math.max(...seen) > 128,
        );
        expect(visitor.complaints).toEqual([]);
      }
      const metrics = await server.run('curl', '-s', 'http://127.0.0.1:49090/metrics');
      const value = (name: string): number =>
        Number(
          metrics
            .split('\n')
            .find((line) => line.startsWith(`${name} `))
            ?.split(' ')
            .at(-1),
        );
      const label = type === 'TLS' ? 'TLS/TCP' : type;
      expect(value(`turn_total_allocations{type="${label}"}`)).toBeGreaterThanOrEqual(2);
      expect(value('turn_total_traffic_peer_rcvp')).toBeGreaterThan(100);
      expect(value('conclave_relay_dropped_peer_port_total')).toBe(0);
      expect(value('sft_participants')).toBe(2);
    });
  },
);
