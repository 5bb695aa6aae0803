import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { Secret, toUtf8 } from '@conclave/bytes';
import { issueToken } from '@conclave/econn';
import { createLogger } from '@conclave/service';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConferenceHost, ConnectRequest } from './conference-host.ts';
import { defaultSftLimits, defaultSftTimings, type SftConfig } from './sft-config.ts';
import { SftMetrics } from './sft-metrics.ts';
import { type SignallingServer, startSignallingServer } from './signalling-server.ts';

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Running {
  readonly server: SignallingServer;
  readonly url: string;
  readonly connects: ConnectRequest[];
  readonly metrics: SftMetrics;
  readonly log: () => string;
}

async function start(overrides: Partial<SftConfig> = {}): Promise<Running> {
  const connects: ConnectRequest[] = [];
  const host: ConferenceHost = {
    draining: false,
    usage: { conferences: 2, participants: 3, conferencesTotal: 4, participantsTotal: 5 },
    isKnownCaller: () => false,
    hasConference: () => false,
    participantsIn: () => 0,
    connect: async (request) => {
      connects.push(request);
      return { kind: 'offer', sdp: 's', update: false, withUrl: true, withDestination: false };
    },
    answer: () => ({ kind: 'accepted' }),
  };
  const metrics = new SftMetrics({
    version: '1.2.3',
    readLinks: () => 0,
    readUsage: () => host.usage,
    readCounters: () => ({ packetsIn: 7, 'bad-tag': 1 }),
    uptimeSeconds: () => 12.5,
  });
  let log = '';
  const server = await startSignallingServer({
    config: {
      signalling: { address: '127.0.0.1', port: 0, tls: undefined },
      url: 'http://sft.example',
      webFolder: undefined,
      auth: { required: false, secretFiles: [] },
      blacklist: [],
      limits: defaultSftLimits,
      cors: { origins: ['*'] },
      trustedProxies: [],
      timings: defaultSftTimings,
      ...overrides,
    },
    host,
    metrics,
    log: createLogger({
      name: 't',
      level: 'debug',
      stream: {
        write: (line) => {
          log += line;
        },
      },
    }).log,
  });
  closers.push(() => server.close());
  return { server, url: `http://127.0.0.1:${server.port}`, connects, metrics, log: () => log };
}

const message = (more: object = {}): string =>
  JSON.stringify({
    version: '3.0',
    type: 'CONFCONN',
    sessid: 'conv',
    src_userid: 'user',
    src_clientid: '_',
    resp: false,
    update: false,
    tool: 'avs',
    toolver: '10.0.0',
    ...more,
  });

describe('the signalling server', () => {
  it('answers a simple cross-origin request as the web app makes it', async () => {
    const { url, connects } = await start();
    const response = await fetch(`${url}/sft/conv`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://app.example.com' },
      body: message(),
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await response.json()).toMatchObject({ type: 'SETUP', url: 'http://sft.example', sdp: 's' });
    expect(connects[0]!.remoteAddress).toBe('127.0.0.1');
  });

  it('answers preflights', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/sft/conv`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example.com',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
    expect(response.headers.get('access-control-allow-headers')).toContain('Content-Type');
    expect(await response.text()).toBe('');
  });

  it('answers an OPTIONS that is no preflight like any other request', async () => {
    const { url } = await start();
    expect((await fetch(`${url}/sft/conv`, { method: 'OPTIONS' })).status).toBe(400);
    expect((await fetch(`${url}/sft/status`, { method: 'OPTIONS' })).status).toBe(200);
  });

  it('names only listed origins when there is a list', async () => {
    const { url } = await start({ cors: { origins: ['https://app.example.com'] } });
    const allowed = async (origin: string): Promise<(string | null)[]> => {
      const { headers } = await fetch(`${url}/sft/status`, { headers: { origin } });
      return [headers.get('access-control-allow-origin'), headers.get('vary')];
    };
    expect(await allowed('https://app.example.com')).toEqual(['https://app.example.com', 'Origin']);
    expect(await allowed('https://evil.example')).toEqual([null, 'Origin']);
    expect(await allowed('null')).toEqual([null, 'Origin']);
  });

  it('puts the headers for other origins on errors too', async () => {
    const { url } = await start();
    for (const [path, body, status] of [
      ['/sft/conv', 'no json', 400],
      ['/x', message(), 400],
      ['/sft/conv', 'x'.repeat(524_289), 413],
    ] as const) {
      const response = await fetch(url + path, { method: 'POST', body });
      expect(response.status).toBe(status);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(response.headers.get('content-type')).toBe('text/html');
    }
  });

  it.each([
    ['UTF-8 that is broken', Buffer.concat([Buffer.from(message()), Buffer.from([0xff])])],
    ['UTF-16', Buffer.from(message(), 'utf16le')],
    ['nothing', Buffer.alloc(0)],
  ])('refuses %s', async (_, body) => {
    const { url, connects } = await start();
    expect((await fetch(`${url}/sft/conv`, { method: 'POST', body })).status).toBe(400);
    expect(connects).toHaveLength(0);
  });

  it('answers HEAD', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/sft/status`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '6']);
  });

  it('limits the requests of an address, and says when to come again', async () => {
    const { url, metrics } = await start({
      limits: { ...defaultSftLimits, requestsPerSecond: 0.001, requestBurst: 3 },
    });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await fetch(`${url}/sft/status`)).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    const last = await fetch(`${url}/sft/status`);
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(900);
    expect(last.headers.get('access-control-allow-origin')).toBe('*');
    expect(await last.text()).toContain('429 Too many requests');
    expect((await metrics.render()).body).toContain('conclave_sft_refusals_total{reason="rate-limited"} 3');
  });

  it('counts the clients of a trusted proxy one by one, and IPv6 ones by their network', async () => {
    const { url, connects } = await start({
      trustedProxies: ['127.0.0.0/8'],
      limits: { ...defaultSftLimits, requestsPerSecond: 0.001, requestBurst: 1 },
    });
    const status = async (from: string): Promise<number> =>
      (
        await fetch(`${url}/sft/conv`, {
          method: 'POST',
          body: message(),
          headers: { 'x-forwarded-for': from },
        })
      ).status;
    expect(await status('192.0.2.1')).toBe(200);
    expect(await status('192.0.2.1')).toBe(429);
    expect(await status('192.0.2.2')).toBe(200);
    expect(await status('198.51.100.7, 192.0.2.2')).toBe(429);
    expect(await status('2001:db8::1')).toBe(200);
    expect(await status('2001:db8::2')).toBe(429);
    expect(await status('2001:db8:0:1::1')).toBe(200);
    expect(connects.map(({ remoteAddress }) => remoteAddress)).toEqual([
      '192.0.2.1',
      '192.0.2.2',
      '2001:db8::1',
      '2001:db8:0:1::1',
    ]);
  });

  it('does not believe a stranger about where it comes from', async () => {
    const { url, connects } = await start();
    const headers = { 'x-forwarded-for': '192.0.2.1' };
    await fetch(`${url}/sft/conv`, { method: 'POST', body: message(), headers });
    expect(connects[0]!.remoteAddress).toBe('127.0.0.1');
  });

  it('takes tokens by the secrets of its files, and new ones after a reload', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sft-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'secret');
    writeFileSync(path, 'first\n');
    const { url, server, connects, log } = await start({ auth: { required: true, secretFiles: [path] } });
    const attempt = async (secret: string): Promise<number> => {
      const { username, credential } = issueToken({
        expiresAtSeconds: Date.now() / 1000 + 60,
        mayStart: true,
        owner: 'a',
        secret: new Secret(toUtf8(secret)),
        hmacSha512: (key, data) => createHmac('sha512', key).update(data).digest(),
      });
      const before = connects.length;
      const body = message({ username, credential: credential.reveal() });
      await fetch(`${url}/sft/conv`, { method: 'POST', body });
      return connects.length - before;
    };
    expect([await attempt('first'), await attempt('second')]).toEqual([1, 0]);
    writeFileSync(path, 'second\n');
    await server.reload();
    expect([await attempt('first'), await attempt('second')]).toEqual([0, 1]);
    writeFileSync(path, '');
    await expect(server.reload()).rejects.toMatchObject({ code: 'CONCLAVE_SECRET_INVALID' });
    expect(await attempt('second')).toBe(1);
    expect(log()).not.toMatch(/first|second|\.r=a/);
  });

  it('serves HTTPS, and a new certificate as soon as its files change', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sft-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const tls = { certificatePath: join(folder, 'crt'), keyPath: join(folder, 'key') };
    makeCertificate(tls, 'one');
    const { server, log } = await start({
      signalling: { address: '127.0.0.1', port: 0, tls },
      timings: { ...defaultSftTimings, fileCheckIntervalMs: 20 },
    });
    expect(await askOverTls(server.port)).toEqual(['one', 200]);
    makeCertificate(tls, 'two');
    while ((await askOverTls(server.port))[0] !== 'two');
    expect(log()).toContain('secrets, certificate and page read again');
  });

  it('does not start with a secret that it cannot read', async () => {
    await expect(start({ auth: { required: true, secretFiles: ['/nowhere/secret'] } })).rejects.toMatchObject(
      {
        code: 'CONCLAVE_SECRET_UNREADABLE',
      },
    );
  });

  it('closes', async () => {
    const { server, url } = await start();
    await fetch(`${url}/sft/status`);
    await server.close();
    await expect(fetch(`${url}/sft/status`)).rejects.toThrow();
  });
});

describe('SftMetrics', () => {
  it('has the six known names with type and value, and ours', async () => {
    const { url, metrics } = await start();
    await fetch(`${url}/sft/conv`, { method: 'POST', body: message() });
    await fetch(`${url}/sft/conv`, { method: 'POST', body: 'x' });
    metrics.joined(40);
    const { body, contentType } = await metrics.render();
    expect(contentType).toMatch(/^text\/plain/);
    for (const lines of [
      '# TYPE sft_uptime counter\nsft_uptime 12.5\n',
      '# TYPE sft_build_info gauge\nsft_build_info{version="1.2.3"} 1\n',
      '# TYPE sft_participants gauge\nsft_participants 3\n',
      '# TYPE sft_calls gauge\nsft_calls 2\n',
      '# TYPE sft_participants_total counter\nsft_participants_total 5\n',
      '# TYPE sft_calls_total counter\nsft_calls_total 4\n',
      'conclave_sft_refusals_total{reason="bad-message"} 1\n',
      'conclave_sft_offer_duration_seconds_count 1\n',
      'conclave_sft_join_duration_seconds_bucket{le="0.05"} 1\n',
      '# TYPE conclave_forwarder_packets_in_total counter\nconclave_forwarder_packets_in_total 7\n',
      'conclave_forwarder_bad_tag_total 1\n',
    ]) {
      expect(body).toContain(lines);
    }
    expect(body).toMatch(/^nodejs_eventloop_lag_seconds /m);
    expect(body).toMatch(/^process_cpu_seconds_total /m);
    expect((await metrics.render()).body).toContain('conclave_forwarder_packets_in_total 7\n');
  });
});

function makeCertificate(files: { certificatePath: string; keyPath: string }, name: string): void {
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const out = ['-subj', `/CN=${name}`, '-days', '2', '-keyout', files.keyPath, '-out', files.certificatePath];
  execFileSync('openssl', [...args, ...out], { stdio: 'ignore' });
}

function askOverTls(port: number): Promise<[string | string[], number | undefined]> {
  return new Promise((resolve, reject) => {
    get(
      { port, host: '127.0.0.1', path: '/sft/status', rejectUnauthorized: false, agent: false },
      (response) => {
        response.resume();
        const { subject } = (response.socket as TLSSocket).getPeerCertificate();
        resolve([String(subject.CN), response.statusCode]);
      },
    ).on('error', reject);
  });
}
