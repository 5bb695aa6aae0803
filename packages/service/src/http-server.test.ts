import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { errorPage } from './error-page.ts';
import { type HttpLimits, type HttpReply, type HttpRequest, HttpServer } from './http-server.ts';
import { createMetricsServer } from './metrics-server.ts';
import { readTlsFiles, type TlsFiles } from './tls-files.ts';

const limits: HttpLimits = {
  bodyBytes: 1000,
  requestTimeoutMs: 10_000,
  keepAliveMs: 60_000,
  maxConnections: 100,
};
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve(
  handle: (request: HttpRequest) => Promise<HttpReply>,
  overrides: Partial<HttpLimits> = {},
): Promise<{ port: number; server: HttpServer; refused: number[]; failed: unknown[] }> {
  const refused: number[] = [];
  const failed: unknown[] = [];
  const server = new HttpServer({
    limits: { ...limits, ...overrides },
    handle,
    commonHeaders: () => ({ 'x-common': 'yes' }),
    onRefused: (status) => refused.push(status),
    onFailed: (error) => failed.push(error),
  });
  closers.push(() => server.close(0));
  const { port } = await server.listen('127.0.0.1', 0);
  return { port, server, refused, failed };
}

/** Sends raw bytes and resolves to everything that comes back until the server closes, or `until` is seen. */
function exchange(port: number, text: string, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    closers.push(() => socket.destroy());
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      if (until?.test(received)) resolve(received);
    });
    socket.on('close', () => resolve(received));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(received) : reject(error),
    );
  });
}

const echo = async (request: HttpRequest): Promise<HttpReply> => ({
  status: 200,
  contentType: 'text/plain',
  body: `${request.method} ${request.target} ${Buffer.from(request.body).toString()}`,
});

function post(body: string, headers: string[] = []): string {
  const lines = ['POST /a/b HTTP/1.1', 'Host: x', 'Connection: close', ...headers];
  return `${lines.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

describe('HttpServer', () => {
  it('replies with the content type as given and the exact length', async () => {
    const { port } = await serve(echo);
    const reply = await exchange(port, post('hello'));
    expect(reply).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(reply).toMatch(/\r\ncontent-type: text\/plain\r\n/i);
    expect(reply).toMatch(/\r\ncontent-length: 15\r\n/i);
    expect(reply.endsWith('\r\n\r\nPOST /a/b hello')).toBe(true);
  });

  it.each([
    ['none', []],
    ['a form', ['Content-Type: application/x-www-form-urlencoded']],
    ['JSON', ['Content-Type: application/json; charset=utf-8']],
    ['nonsense', ['Content-Type: ;;;/nonsense']],
    ['an empty one', ['Content-Type: ']],
    ['multipart without boundary', ['Content-Type: multipart/form-data']],
  ])('takes a body of any content type: %s', async (_, headers) => {
    const { port } = await serve(echo);
    expect(await exchange(port, post('{"x":1}', headers))).toContain('\r\n\r\nPOST /a/b {"x":1}');
  });

  it('takes a chunked body', async () => {
    const { port } = await serve(echo);
    const head = 'POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await exchange(port, `${head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`)).toContain(
      '\r\n\r\nPOST /a abcde',
    );
  });

  it.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'REPORT'])(
    'hands requests of every method on: %s',
    async (method) => {
      const { port } = await serve(echo);
      const reply = await exchange(port, `${method} /a?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(reply).toContain(`\r\n\r\n${method} /a?q `);
    },
  );

  it('answers HEAD with the length and no body', async () => {
    const { port } = await serve(echo);
    const reply = await exchange(port, 'HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(reply).toMatch(/content-length: 8\r\n/i);
    expect(reply.endsWith('\r\n\r\n')).toBe(true);
  });

  it.each(['/%', '/%zz', '/%00', '/a%2', '//', '/../..', '/*', `/${'x'.repeat(3000)}`])(
    'hands odd paths on untouched: %.20s',
    async (path) => {
      const { port } = await serve(echo);
      const reply = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(reply).toContain(`\r\n\r\nGET ${path} `);
    },
  );

  it('serves several requests on one connection, and pipelined ones in order', async () => {
    const { port } = await serve(echo);
    const one = 'GET /1 HTTP/1.1\r\nHost: x\r\n\r\n';
    const reply = await exchange(
      port,
      `${one}${one.replace('/1', '/2')}${one.replace('/1', '/3')}`,
      /GET \/3/,
    );
    expect(reply.match(/GET \/\d/g)).toEqual(['GET /1', 'GET /2', 'GET /3']);
  });

  it.each([
    ['words that are no HTTP', 'hello\r\n\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a length that is no number', post('x').replace('Length: 1', 'Length: x')],
    ['a negative length', post('x').replace('Length: 1', 'Length: -1')],
    ['two lengths', post('x', ['Content-Length: 2'])],
    ['a length and chunks', post('x', ['Transfer-Encoding: chunked'])],
    ['a chunk size that is none', 'POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['an expectation nobody knows', post('x', ['Expect: miracles'])],
    ['a header without a name', 'GET /a HTTP/1.1\r\n: x\r\n\r\n'],
    ['a broken line in a header', 'GET /a HTTP/1.1\r\nA: b\rc\r\n\r\n'],
  ])('answers %s with 400', async (_, text) => {
    const { port, refused } = await serve(echo);
    const reply = await exchange(port, text, /<\/html>\n$/);
    expect(reply).toMatch(/^HTTP\/1\.1 400 Bad request\r\n/i);
    expect(reply).toMatch(/\r\nx-common: yes\r\n/i);
    expect(reply).toMatch(/\r\ncontent-type: text\/html\r\n/i);
    expect(reply.endsWith(errorPage(400))).toBe(true);
    expect(refused).toEqual([400]);
  });

  it('answers Expect: 100-continue as asked', async () => {
    const { port } = await serve(echo);
    const reply = await exchange(port, post('x', ['Expect: 100-continue']));
    expect(reply).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });

  it('refuses headers that do not end', async () => {
    const { port, refused } = await serve(echo);
    const reply = await exchange(port, `GET /a HTTP/1.1\r\nX: ${'x'.repeat(40_000)}`);
    expect(reply).toMatch(/^HTTP\/1\.1 431 /);
    expect(refused).toEqual([431]);
  });

  it.each([
    ['by its length', post('x'.repeat(1001))],
    [
      'by its chunks',
      `POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`,
    ],
  ])('refuses a body that is too long %s, and closes', async (_, text) => {
    const { port, refused } = await serve(echo);
    const reply = await exchange(port, text);
    expect(reply).toMatch(/^HTTP\/1\.1 413 /);
    expect(reply).toMatch(/\r\nconnection: close\r\n/i);
    expect(reply).toMatch(/\r\nx-common: yes\r\n/i);
    expect(reply.endsWith(errorPage(413))).toBe(true);
    expect(refused).toEqual([413]);
  });

  it('takes a body of just the limit', async () => {
    const { port } = await serve(echo);
    expect(await exchange(port, post('x'.repeat(1000)))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    ['no byte', ''],
    ['headers that stop', 'GET /a HTTP/1.1\r\nHost: x\r\n'],
    ['a body that stops', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc'],
  ])('closes a connection that sends %s within the time for a request', async (_, text) => {
    const { port } = await serve(echo, { requestTimeoutMs: 200 });
    const started = performance.now();
    const reply = await exchange(port, text);
    expect(performance.now() - started).toBeLessThan(5000);
    if (reply !== '') expect(reply).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('does not cut a reply that takes longer than a request may', async () => {
    let answer = (_: HttpReply): void => {};
    const { port } = await serve(() => new Promise((resolve) => (answer = resolve)), {
      requestTimeoutMs: 100,
    });
    const reply = exchange(port, post('x'));
    const other = await exchange(port, '');
    expect(other === '' || other.startsWith('HTTP/1.1 408')).toBe(true);
    answer({ status: 200, contentType: 'text/plain', body: 'late' });
    expect(await reply).toMatch(/late$/);
  });

  it('answers 500 when the handler fails, and tells why to the log alone', async () => {
    const { port, failed } = await serve(() => Promise.reject(new Error('inner secret')));
    const reply = await exchange(port, post('x'));
    expect(reply).toMatch(/^HTTP\/1\.1 500 /);
    expect(reply.endsWith(errorPage(500))).toBe(true);
    expect(reply).not.toContain('inner');
    expect(failed).toHaveLength(1);
  });

  it('closes a connection beyond its bound, and idle ones to have room for the next', async () => {
    const { port } = await serve(echo, { maxConnections: 2 });
    const idle = await Promise.all([1, 2].map(() => idleConnection(port)));
    const closed = idle.map((socket) => new Promise((resolve) => socket.on('close', resolve)));
    expect(await exchange(port, post('x'))).toBe('');
    await Promise.all(closed);
    await served(port);
  });

  it('does not close connections at work to make room', async () => {
    let answer = (_: HttpReply): void => {};
    let arrived = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { port } = await serve(
      () => {
        arrived();
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
      { maxConnections: 1 },
    );
    const reply = exchange(port, post('x'));
    await waiting;
    expect(await exchange(port, post('x'))).toBe('');
    answer({ status: 200, contentType: 'text/plain', body: 'done' });
    expect(await reply).toMatch(/done$/);
  });

  it('tells handlers that the client has gone', async () => {
    let seen = (_: AbortSignal): void => {};
    const gone = new Promise<AbortSignal>((resolve) => (seen = resolve));
    const { port } = await serve((request) => {
      seen(request.closed);
      return new Promise(() => {});
    });
    const socket = connect(port, '127.0.0.1', () => socket.write(post('x')));
    const signal = await gone;
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
    socket.destroy();
    await aborted;
  });

  it('lets requests at hand finish when it closes, and takes no new ones', async () => {
    let answer = (_: HttpReply): void => {};
    let arrived = (): void => {};
    const waiting = new Promise<void>((resolve) => (arrived = resolve));
    const { port, server } = await serve((request) => {
      if (request.method === 'GET') return echo(request);
      arrived();
      return new Promise((resolve) => (answer = resolve));
    });
    const idle = await idleConnection(port);
    const reply = exchange(port, post('x'));
    await waiting;
    const closed = server.close();
    await new Promise((resolve) => idle.on('close', resolve));
    answer({ status: 200, contentType: 'text/plain', body: 'last' });
    expect(await reply).toMatch(/last$/);
    await closed;
    await expect(exchange(port, post('x'))).rejects.toThrow(/ECONNREFUSED/);
    await server.close();
  });

  it('says where it cannot listen', async () => {
    const { port } = await serve(echo);
    const second = new HttpServer({ limits, handle: echo });
    await expect(second.listen('127.0.0.1', port)).rejects.toMatchObject({
      code: 'CONCLAVE_LISTEN_FAILED',
      message: `cannot listen on 127.0.0.1 port ${port} (EADDRINUSE)`,
    });
  });
});

/** A connection that was served once and is kept open. */
function idleConnection(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    closers.push(() => socket.destroy());
    socket.on('error', reject);
    socket.once('data', () => resolve(socket));
  });
}

/** Resolves when a request is served; the server sees closed connections when it gets to them. */
async function served(port: number): Promise<void> {
  for (;;) if ((await exchange(port, post('x'))) !== '') return;
}

describe('HTTPS', () => {
  it('serves with TLS 1.2 or later, and changes its certificate without dropping connections', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tls-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const first = makeCertificate(folder, 'one');
    const second = makeCertificate(folder, 'two');
    const server = new HttpServer({ limits, handle: echo, tls: readTlsFiles(first) });
    closers.push(() => server.close(0));
    const { port } = await server.listen('127.0.0.1', 0);

    const kept = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    closers.push(() => kept.destroy());
    expect(await ask(kept)).toContain('200 OK');
    expect(kept.getPeerCertificate().subject.CN).toBe('one');

    server.replaceTls(readTlsFiles(second));
    expect(await commonName(port)).toBe('two');
    expect(await ask(kept)).toContain('200 OK');
    expect(kept.getPeerCertificate().subject.CN).toBe('one');

    await expect(
      new Promise((resolve, reject) => {
        const old = tlsConnect(
          { port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' },
          () => resolve('connected'),
        );
        old.on('error', reject);
      }),
    ).rejects.toThrow();
  });

  it('closes a connection that does not begin with TLS in time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tls-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const server = new HttpServer({
      limits: { ...limits, requestTimeoutMs: 100 },
      handle: echo,
      tls: readTlsFiles(makeCertificate(folder, 'one')),
    });
    closers.push(() => server.close(0));
    const { port } = await server.listen('127.0.0.1', 0);
    expect(await exchange(port, '')).toBe('');
    expect(await exchange(port, 'GET / HTTP/1.1\r\n\r\n')).toBe('');
  });

  it('closes although connections hang in their handshake', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tls-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const server = new HttpServer({
      limits,
      handle: echo,
      tls: readTlsFiles(makeCertificate(folder, 'one')),
    });
    const { port } = await server.listen('127.0.0.1', 0);
    const hanging = connect(port, '127.0.0.1');
    closers.push(() => hanging.destroy());
    await new Promise((resolve) => hanging.on('connect', resolve));
    await commonName(port);
    await server.close(10);
  });

  it('refuses files that are missing, broken or of different pairs', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tls-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const one = makeCertificate(folder, 'one');
    const two = makeCertificate(folder, 'two');
    const broken = join(folder, 'broken');
    writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    const problem = (files: TlsFiles): unknown => {
      try {
        readTlsFiles(files);
      } catch (error) {
        return (error as { code: unknown }).code;
      }
      return 'none';
    };
    expect(problem(one)).toBe('none');
    expect(problem({ ...one, keyPath: two.keyPath })).toBe('CONCLAVE_TLS_INVALID');
    expect(problem({ ...one, certificatePath: broken })).toBe('CONCLAVE_TLS_INVALID');
    expect(problem({ ...one, keyPath: join(folder, 'none') })).toBe('CONCLAVE_TLS_UNREADABLE');
  });
});

function makeCertificate(folder: string, name: string): TlsFiles {
  const files = { certificatePath: join(folder, `${name}.crt`), keyPath: join(folder, `${name}.key`) };
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const out = ['-subj', `/CN=${name}`, '-days', '2', '-keyout', files.keyPath, '-out', files.certificatePath];
  execFileSync('openssl', [...args, ...out], { stdio: 'ignore' });
  return files;
}

function ask(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes) => resolve(bytes.toString()));
    socket.once('error', reject);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  });
}

function commonName(port: number): Promise<string | string[]> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { port, host: '127.0.0.1', rejectUnauthorized: false, agent: false },
      (response) => {
        response.resume();
        resolve(String((response.socket as import('node:tls').TLSSocket).getPeerCertificate().subject.CN));
      },
    );
    request.on('error', reject);
    request.end();
  });
}

describe('createMetricsServer', () => {
  it('serves metrics, health and a sign of life, and nothing else', async () => {
    let healthy = true;
    let ready = true;
    const server = createMetricsServer({
      render: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'a 1\n' }),
      isHealthy: () => healthy,
      isReady: () => ready,
    });
    closers.push(() => server.close(0));
    const { port } = await server.listen('127.0.0.1', 0);
    const get = async (path: string, method = 'GET'): Promise<[number, string | null, string]> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
      return [response.status, response.headers.get('content-type'), await response.text()];
    };
    expect(await get('/metrics')).toEqual([200, 'text/plain; version=0.0.4', 'a 1\n']);
    expect(await get('/metrics?x')).toEqual([200, 'text/plain; version=0.0.4', 'a 1\n']);
    expect(await get('/debug')).toEqual([200, 'text/plain', 'Debug\n']);
    expect(await get('/healthz')).toEqual([200, 'text/plain', 'ok\n']);
    expect(await get('/readyz')).toEqual([200, 'text/plain', 'ok\n']);
    ready = false;
    expect(await get('/healthz')).toEqual([200, 'text/plain', 'ok\n']);
    expect(await get('/readyz')).toEqual([503, 'text/plain', 'not able to serve\n']);
    ready = true;
    healthy = false;
    expect(await get('/healthz')).toEqual([503, 'text/plain', 'not able to serve\n']);
    expect(await get('/readyz')).toEqual([503, 'text/plain', 'not able to serve\n']);
    for (const path of ['/', '/metrics/', '/debug/pprof', '/%', '/METRICS']) {
      expect(await get(path)).toEqual([400, 'text/html', errorPage(400)]);
    }
    expect((await get('/metrics', 'POST'))[0]).toBe(400);
    expect((await get('/metrics', 'HEAD'))[0]).toBe(200);
  });
});
