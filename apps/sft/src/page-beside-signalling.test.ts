import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@conclave/service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConferenceHost } from './conference-host.ts';
import type { PageIceServers } from './page-config.ts';
import { defaultSftLimits, defaultSftTimings } from './sft-config.ts';
import { SftMetrics } from './sft-metrics.ts';
import { type SignallingServer, startSignallingServer } from './signalling-server.ts';

const usage = { conferences: 0, participants: 0, conferencesTotal: 0, participantsTotal: 0 };
const servers: SignallingServer[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'page-'));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>one</title>');
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(folder, { recursive: true });
});

async function start(
  webFolder: string | undefined,
  iceServers?: (hostname: string | undefined) => PageIceServers,
): Promise<{ server: SignallingServer; url: string }> {
  const host: ConferenceHost = {
    draining: false,
    usage,
    isKnownCaller: () => false,
    hasConference: () => false,
    participantsIn: () => 0,
    connect: async () => ({ kind: 'offer', sdp: 's', update: false, withUrl: true, withDestination: false }),
    answer: () => ({ kind: 'accepted' }),
  };
  const server = await startSignallingServer({
    config: {
      signalling: { address: '127.0.0.1', port: 0, tls: undefined },
      url: 'http://sft.example',
      webFolder,
      auth: { required: false, secretFiles: [] },
      blacklist: [],
      limits: defaultSftLimits,
      cors: { origins: ['*'] },
      trustedProxies: [],
      timings: defaultSftTimings,
    },
    host,
    iceServers,
    metrics: new SftMetrics({
      version: '1.2.3',
      readLinks: () => 0,
      readUsage: () => usage,
      readCounters: () => ({}),
      uptimeSeconds: () => 1,
    }),
    log: createLogger({ name: 't', level: 'warn', stream: { write: () => undefined } }).log,
  });
  servers.push(server);
  return { server, url: `http://127.0.0.1:${server.port}` };
}

/** Status and body of a request whose path no client library has tidied up. */
function raw(url: string, path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, path, method }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode!, body });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

const connect = JSON.stringify({
  version: '3.0',
  type: 'CONFCONN',
  sessid: 'conv',
  src_userid: 'user',
  src_clientid: '_',
  resp: false,
  update: false,
  tool: 'avs',
  toolver: '10.0.0',
});

describe('the meeting page beside signalling', () => {
  it('is served under / without cookies, also to HEAD', async () => {
    const { url } = await start(folder);
    const page = await fetch(url);
    expect(await page.text()).toContain('<title>one</title>');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page.headers.get('set-cookie')).toBeNull();
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String('<!doctype html><title>one</title>'.length));
    expect(await head.text()).toBe('');
    const again = await fetch(url, { headers: { 'if-none-match': page.headers.get('etag')! } });
    expect(again.status).toBe(304);
  });

  it('is told of TURN servers by the name it came under, freshly each time', async () => {
    const asked: (string | undefined)[] = [];
    const { url } = await start(folder, (hostname) => {
      asked.push(hostname);
      const server = { urls: ['turn:a.example'], username: String(asked.length), credential: 'c' };
      return { iceServers: [server], validForSeconds: 60 };
    });
    for (const count of ['1', '2']) {
      const reply = await fetch(`${url}/config.json?`, { headers: { origin: 'https://page.example' } });
      expect(reply.headers.get('cache-control')).toBe('no-store');
      expect(reply.headers.get('access-control-allow-origin')).toBe('*');
      expect(await reply.json()).toEqual({
        iceServers: [{ urls: ['turn:a.example'], username: count, credential: 'c' }],
        validForSeconds: 60,
      });
    }
    expect(asked).toEqual(['127.0.0.1', '127.0.0.1']);
    expect((await raw(url, '/config.json', 'POST')).status).toBe(400);
    const { url: withoutTurn } = await start(folder);
    expect((await raw(withoutTurn, '/config.json')).body).toBe('{"iceServers":[],"validForSeconds":3600}');
    const { url: withoutPage } = await start(undefined);
    expect((await raw(withoutPage, '/config.json')).status).toBe(400);
  });

  it('leaves the answers of signalling as they are', async () => {
    const [withPage, without] = [await start(folder), await start(undefined)];
    expect(await raw(withPage.url, '/sft/url')).toEqual({ status: 200, body: 'http://sft.example\r\n' });
    const offered = await fetch(`${withPage.url}/sft/conv`, { method: 'POST', body: connect });
    expect(await offered.json()).toMatchObject({ type: 'SETUP' });
    for (const [path, method] of [
      ['/nothing.html', 'GET'],
      ['/assets/', 'GET'],
      ['/sft/conv', 'GET'],
      ['/../../etc/passwd', 'GET'],
      ['/%2e%2e/index.html', 'GET'],
      ['/', 'POST'],
      ['/index.html', 'DELETE'],
    ] as const) {
      const answer = await raw(withPage.url, path, method);
      expect(answer.status).toBe(400);
      expect(answer).toEqual(await raw(without.url, path, method));
    }
    expect((await raw(without.url, '/')).status).toBe(400);
  });

  it('is read again at a reload, and stays when the new one cannot be used', async () => {
    const { server, url } = await start(folder);
    writeFileSync(join(folder, 'index.html'), '<title>two</title>');
    expect((await raw(url, '/')).body).toContain('one');
    await server.reload();
    expect((await raw(url, '/')).body).toContain('two');
    rmSync(join(folder, 'index.html'));
    await expect(server.reload()).rejects.toMatchObject({ code: 'CONCLAVE_WEB_UNREADABLE' });
    expect((await raw(url, '/')).body).toContain('two');
  });

  it('keeps the server from starting when it is not there', async () => {
    await expect(start(join(folder, 'none'))).rejects.toMatchObject({ code: 'CONCLAVE_WEB_UNREADABLE' });
  });
});
