import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiagnoseOptions, DiagnosisReport, DiagnosisStepId } from '@conclave/client';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bundlePage, serveBundledPage } from './bundled-page.ts';
import { eventually } from './call-page.ts';
import { chromiumFlags } from './chromium.ts';
import { startFirefox } from './firefox.ts';
import { mayMakeNamespaces, TestNetwork } from './network-namespace.ts';
import { freePort, type SftProcess, startSftProcess } from './sft-process.ts';
import { startSiteProcess } from './site-process.ts';
import { makeCertificate, pinOf } from './turn-process.ts';

/** A name that browsers take for this machine, hence for a secure context; no server is ever asked. */
const ORIGIN = 'http://diagnosis.localhost';

let files: ReadonlyMap<string, string | Uint8Array>;
let browser: Browser | undefined;
let sft: SftProcess | undefined;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  files = await bundlePage('diagnosis');
});
afterEach(async () => {
  await browser?.close();
  await sft?.stop();
  browser = undefined;
  sft = undefined;
  for (const close of closers.splice(0).toReversed()) await close();
});

interface PageOptions {
  /** Program that is Chromium, perhaps on another host. */
  readonly executable?: string;
  /** A microphone and a camera that are made up; default true. */
  readonly devices?: boolean;
  /** More flags of Chromium. */
  readonly flags?: readonly string[];
}

async function openPage({ executable, devices = true, flags: more = [] }: PageOptions = {}): Promise<Page> {
  const flags = devices
    ? [...chromiumFlags, '--use-fake-device-for-media-stream']
    : chromiumFlags.filter((flag) => flag !== '--use-fake-ui-for-media-stream');
  browser = await chromium.launch({
    executablePath: executable ?? '/usr/bin/chromium',
    headless: false,
    args: [...flags, ...more],
  });
  const context: BrowserContext = await browser.newContext({
    permissions: devices ? ['microphone', 'camera'] : [],
  });
  await context.route(`${ORIGIN}/**`, (route) => {
    const path = new URL(route.request().url()).pathname;
    const body = files.get(path === '/' ? '/index.html' : path);
    return body === undefined
      ? route.fulfill({ status: 404 })
      : route.fulfill({
          contentType: path.endsWith('.js') ? 'text/javascript' : 'text/html',
          body: typeof body === 'string' ? body : Buffer.from(body),
        });
  });
  const page = await context.newPage();
  await page.goto(`${ORIGIN}/`);
  await page.waitForFunction('window.ready');
  return page;
}

function run(page: Page, options: DiagnoseOptions): Promise<DiagnosisReport> {
  return page.evaluate(`diagnosis.run(${JSON.stringify(options)})`);
}

/** What each step found, or its state if it found nothing. */
function findings({ steps }: DiagnosisReport): Partial<Record<DiagnosisStepId, string | undefined>> {
  return Object.fromEntries(steps.map(({ id, finding }) => [id, finding]));
}

/** The server has forgotten everybody who called. */
async function expectForgotten(server: SftProcess, callers: number): Promise<void> {
  expect(await server.metric('sft_participants_total')).toBe(callers);
  await eventually(
    'nobody at the server',
    async () => [await server.metric('sft_participants'), await server.metric('sft_calls')],
    ([participants, calls]) => participants === 0 && calls === 0,
    40_000,
  );
}

/** Starts a server over HTTPS with a certificate that no browser knows; its URL. */
async function startWithUntrustedCertificate(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-diagnosis-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const [certificatePath, keyPath] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
      ...['-subj', '/CN=conclave test', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', keyPath, '-out', certificatePath],
    ],
    { stdio: 'ignore' },
  );
  const ports = { signalling: await freePort(), metrics: await freePort(), media: await freePort() };
  const flags = ['--tls-cert', certificatePath, '--tls-key', keyPath];
  const url = `https://127.0.0.1:${ports.signalling}`;
  sft = await startSftProcess({ ports, flags: [...flags, '-u', url] });
  return url;
}

describe('"Why does my call not connect?"', () => {
  test('finds nothing wrong where everything works, and leaves nothing behind', async () => {
    sft = await startSftProcess();
    const page = await openPage();
    const report = await run(page, { server: sft.url });
    expect(findings(report), report.summary).toEqual({
      encryption: 'encryption-supported',
      microphone: 'microphone-works',
      camera: 'camera-works',
      server: 'server-reachable',
      conference: 'conference-offered',
      udp: 'udp-works',
      tcp: 'tcp-works',
      channel: 'channel-works',
      quality: 'quality-good',
    });
    expect(report.verdict).toBe('good');
    const quality = report.steps.find(({ id }) => id === 'quality')!;
    expect(quality.details).toMatchObject({ lossSent: 0, path: 'udp' });
    const states = await page.evaluate('diagnosis.reports.map((report) => report.verdict)');
    expect((states as string[]).filter((verdict) => verdict === 'good')).toHaveLength(1);
    await expectForgotten(sft, 2);
  });

  test('tests each way to the TURN server of a site that has one', async () => {
    const [port, media, metrics, turn] = await Promise.all([1, 2, 3, 4].map(() => freePort()));
    const site = await startSiteProcess({
      flags: [
        ...[
          '-p',
          `${port}`,
          '--media-port',
          `${media}`,
          '-r',
          `${metrics}`,
          '--turn-port',
          `${turn}`,
          '-w',
          '1',
        ],
      ],
    });
    closers.push(() => site.close());
    const options = { server: `http://localhost:${port}`, microphone: false, camera: false } as const;
    const report = await run(await openPage(), options);
    expect(findings(report), report.summary).toMatchObject({
      ...{ udp: 'udp-works', tcp: 'tcp-works', channel: 'channel-works' },
      ...{ 'turn-udp': 'turn-udp-works', 'turn-tcp': 'turn-tcp-works' },
    });
    expect(report.steps.map(({ id }) => id)).not.toContain('turn-tls');
    expect(report.verdict).toBe('good');
  });

  test('says that there is no microphone and no camera, and that calls still work', async () => {
    sft = await startSftProcess();
    const report = await run(await openPage({ devices: false }), { server: sft.url });
    expect(findings(report)).toMatchObject({
      microphone: 'microphone-absent',
      camera: 'camera-absent',
      udp: 'udp-works',
    });
    expect(report.verdict).toBe('limited');
    expect(report.summary).toContain('[failed] Microphone: No microphone was found.');
  });

  test('tells a certificate that the browser refuses from a port that nobody has', async () => {
    const url = await startWithUntrustedCertificate();
    const page = await openPage();
    const quick = { microphone: false, camera: false } as const;
    const report = await run(page, { server: url, ...quick });
    expect(findings(report)).toMatchObject({
      microphone: 'skipped-by-choice',
      server: 'server-certificate',
      conference: 'skipped-after-failure',
      udp: 'skipped-after-failure',
      quality: 'skipped-after-failure',
    });
    expect(report.verdict).toBe('bad');
    expect(report.summary).toContain(`- HTTPS to ${url}`);

    const nobody = await run(page, { server: `https://127.0.0.1:${await freePort()}`, ...quick });
    expect(findings(nobody)).toMatchObject({ server: 'server-refused' });
  });

  test('tells a server that does not answer, one that is none, and one that allows other pages only', async () => {
    const quick = { microphone: false, camera: false } as const;
    const page = await openPage();
    const silent = createServer().listen(0, '127.0.0.1');
    closers.push(() => silent.close());
    await eventually('a port', async () => silent.address(), Boolean);
    const { port } = silent.address() as { port: number };
    expect(findings(await run(page, { server: `http://127.0.0.1:${port}`, ...quick })).server).toBe(
      'server-timeout',
    );
    expect(findings(await run(page, { server: ORIGIN, ...quick })).server).toBe('server-foreign');
    expect(findings(await run(page, { server: 'meet me', ...quick })).server).toBe('server-url-wrong');
    sft = await startSftProcess({ flags: ['--cors-origin', 'https://elsewhere.example'] });
    expect(findings(await run(page, { server: sft.url, ...quick })).server).toBe('server-cors');
  });

  test('ends when it is told to, without a word more, and leaves nothing behind', async () => {
    sft = await startSftProcess();
    const page = await openPage();
    const reports = (await page.evaluate(`(async () => {
      const end = new AbortController();
      const seen = [];
      const options = { server: '${sft.url}', microphone: false, camera: false, signal: end.signal };
      const running = diagnosis.run(options);
      const poll = setInterval(() => {
        if (!diagnosis.reports.at(-1)?.steps.some(({ id, state }) => id === 'quality' && state === 'running')) return;
        end.abort();
        clearInterval(poll);
      }, 20);
      await running;
      return diagnosis.reports;
    })()`)) as DiagnosisReport[];
    expect(reports.at(-1)?.verdict).toBe('running');
    await expectForgotten(sft, 2);
  });

  test('works in Firefox too, and tells a wrong certificate from a port that nobody has', async () => {
    const bundled = await serveBundledPage('diagnosis');
    closers.push(() => bundled.close());
    const firefox = await startFirefox();
    closers.push(() => firefox.close());
    const page = await firefox.openBlankPage();
    await page.goto(bundled.url);
    await page.waitForFunction('window.ready');
    const ask = async (options: DiagnoseOptions) =>
      (await page.evaluate(`diagnosis.run(${JSON.stringify(options)})`)) as DiagnosisReport;
    sft = await startSftProcess();
    const report = await ask({ server: sft.url });
    // Not the step over TCP: this browser opens no TCP connection from an outside address to loopback.
    expect(findings(report), report.summary).toMatchObject({
      encryption: 'encryption-supported',
      microphone: 'microphone-works',
      camera: 'camera-works',
      server: 'server-reachable',
      conference: 'conference-offered',
      udp: 'udp-works',
      channel: 'channel-works',
      quality: 'quality-good',
    });
    await expectForgotten(sft, 2);
    await sft.stop();
    const quick = { microphone: false, camera: false } as const;
    const url = await startWithUntrustedCertificate();
    expect(findings(await ask({ server: url, ...quick })).server).toBe('server-certificate');
    const nobody = `https://127.0.0.1:${await freePort()}`;
    expect(findings(await ask({ server: nobody, ...quick })).server).toBe('server-refused');
  });

  describe.skipIf(!mayMakeNamespaces)('on a network of its own', () => {
    /** A site with a certificate, and a page on a host of its own, from which these TCP ports alone are open. */
    async function openBehind(tcpPorts: readonly number[]): Promise<Page> {
      const network = new TestNetwork();
      closers.push(() => network.close());
      const [server, client] = [await network.addHost('server'), await network.addHost('client')];
      await network.connect(server, ['10.77.7.1/24'], client, ['10.77.7.2/24']);
      await server.filter(
        'add table inet wall',
        'add chain inet wall in { type filter hook input priority 0; }',
        `add rule inet wall in ip saddr 10.77.7.2 tcp dport != { ${[443, ...tcpPorts].join(', ')} } drop`,
        'add rule inet wall in ip saddr 10.77.7.2 meta l4proto udp drop',
      );
      const folder = mkdtempSync(join(tmpdir(), 'conclave-diagnosis-'));
      closers.push(() => rmSync(folder, { recursive: true }));
      const { certificate, key } = makeCertificate(folder, 'meet.test');
      const site = await startSiteProcess({
        prefix: server.prefix,
        flags: ['--domain', 'meet.test', '--tls-cert', certificate, '--tls-key', key, '-w', '1'],
      });
      closers.push(() => site.close());
      return openPage({
        executable: await client.wrapper('/usr/bin/chromium'),
        flags: [
          `--ignore-certificate-errors-spki-list=${pinOf(certificate)}`,
          '--host-resolver-rules=MAP meet.test 10.77.7.1',
        ],
      });
    }
    const quick = { server: 'https://meet.test', microphone: false, camera: false } as const;

    test('finds the way through TURN over TLS where it is the only one, and what else may be opened', async () => {
      const page = await openBehind([5349]);
      const report = await run(page, quick);
      expect(findings(report), report.summary).toMatchObject({
        ...{ server: 'server-reachable', udp: 'udp-blocked', tcp: 'tcp-blocked' },
        ...{ 'turn-tcp': 'turn-tcp-blocked', 'turn-tls': 'turn-tls-works' },
        ...{ channel: 'channel-works', quality: 'quality-good' },
      });
      expect(report.verdict).toBe('limited');
      for (const line of [
        'UDP to 10.77.7.1:40000',
        'or else UDP to meet.test:3478',
        'or else TCP (not only HTTP) to',
      ])
        expect(report.summary).toContain(`- ${line}`);
      expect(report.summary).not.toContain(':5349');
    });

    test('finds no way where the TURN ports are blocked too', async () => {
      const page = await openBehind([]);
      const report = await run(page, quick);
      expect(findings(report), report.summary).toMatchObject({
        ...{ udp: 'udp-blocked', tcp: 'tcp-blocked', channel: 'skipped-after-failure' },
        ...{ 'turn-tcp': 'turn-tcp-blocked', 'turn-tls': 'turn-tls-blocked' },
      });
      expect(report.verdict).toBe('bad');
      expect(report.summary).toContain(
        'TLS, without a filter that replaces its certificate, to meet.test:5349',
      );
    });

    test('says that UDP is blocked and what to tell the network administrator', async () => {
      const network = new TestNetwork();
      closers.push(() => network.close());
      const [server, client] = [await network.addHost('server'), await network.addHost('client')];
      const cable = await network.connect(server, ['10.77.8.1/24'], client, ['10.77.8.2/24']);
      await server.loseUdp(100);
      sft = await startSftProcess({
        prefix: server.prefix,
        address: '10.77.8.1',
        interfaceName: cable.a,
        ports: { signalling: 8585, metrics: 49090, media: 40000 },
      });
      const page = await openPage({ executable: await client.wrapper('/usr/bin/chromium') });
      const report = await run(page, { server: 'http://10.77.8.1:8585' });
      expect(findings(report), report.summary).toMatchObject({
        microphone: 'microphone-works',
        server: 'server-reachable',
        conference: 'conference-offered',
        udp: 'udp-blocked',
        tcp: 'tcp-works',
        channel: 'channel-works',
        quality: 'quality-good',
      });
      expect(report.verdict).toBe('limited');
      expect(report.steps.find(({ id }) => id === 'quality')?.details.path).toBe('tcp');
      expect(report.summary).toContain('- UDP to 10.77.8.1:40000');
    });
  });
});
