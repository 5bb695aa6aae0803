import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { HttpReply } from '@conclave/service';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PageFiles } from './page-files.ts';

const HTML = '<!doctype html><title>Meeting</title>';
const SCRIPT = 'export const greeting = "hello";\n'.repeat(200);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'page-'));
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), HTML);
  writeFileSync(join(folder, 'assets/index-B3xk9_2a.js'), SCRIPT);
  writeFileSync(join(folder, 'icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  writeFileSync(join(folder, 'strange.xyz'), 'bytes');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function ask(
  target: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<HttpReply | undefined> {
  return (await PageFiles.read(folder)).answer({ method, target, headers });
}

describe('the files of a page', () => {
  it('are found by their path, the first page also under /', async () => {
    for (const target of ['/', '/index.html', '/?x=1', '/#secret']) {
      const reply = await ask(target);
      expect(reply).toMatchObject({ status: 200, contentType: 'text/html; charset=utf-8' });
      expect(Buffer.from(reply!.body).toString()).toBe(HTML);
    }
    expect((await ask('/assets/index-B3xk9_2a.js'))?.contentType).toBe('text/javascript; charset=utf-8');
    expect((await ask('/icon.svg'))?.contentType).toBe('image/svg+xml; charset=utf-8');
    expect((await ask('/strange.xyz'))?.contentType).toBe('application/octet-stream');
  });

  it('carry the headers that keep a browser strict', async () => {
    for (const target of ['/', '/assets/index-B3xk9_2a.js']) {
      const { headers } = (await ask(target))!;
      const policy = headers!['content-security-policy']!;
      for (const directive of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob: mediastream:",
        "worker-src 'self'",
        "connect-src 'self' https:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ])
        expect(policy.split('; ')).toContain(directive);
      expect(policy).not.toContain('unsafe');
      expect(headers).toMatchObject({
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'cross-origin-opener-policy': 'same-origin',
      });
      expect(headers!['permissions-policy']).toMatch(
        /camera=\(self\), microphone=\(self\), display-capture=\(self\)/,
      );
    }
  });

  it('may be kept for ever only where the name has a hash', async () => {
    expect((await ask('/assets/index-B3xk9_2a.js'))?.headers?.['cache-control']).toContain('immutable');
    for (const target of ['/', '/icon.svg'])
      expect((await ask(target))?.headers?.['cache-control']).toBe('no-cache');
  });

  it.each([
    ['br, gzip', 'br', brotliDecompressSync],
    ['gzip, deflate', 'gzip', gunzipSync],
    ['BR;q=0, gzip;q=0.5', 'gzip', gunzipSync],
    ['identity', undefined, (body: Uint8Array) => body],
    ['', undefined, (body: Uint8Array) => body],
  ])('come compressed as the client takes them: %s', async (accepted, encoding, decode) => {
    const reply = await ask('/assets/index-B3xk9_2a.js', { 'accept-encoding': accepted });
    expect(reply?.headers?.['content-encoding']).toBe(encoding);
    expect(reply?.headers?.vary).toBe('Accept-Encoding');
    expect(Buffer.from(decode(reply!.body as Uint8Array)).toString()).toBe(SCRIPT);
    if (encoding) expect(reply!.body.length).toBeLessThan(SCRIPT.length / 5);
  });

  it('are not sent again to whoever has them', async () => {
    const first = await ask('/assets/index-B3xk9_2a.js', { 'accept-encoding': 'gzip' });
    const etag = first!.headers!.etag!;
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await ask('/assets/index-B3xk9_2a.js', { 'accept-encoding': 'br', 'if-none-match': tag });
      expect(again).toMatchObject({ status: 304, body: '' });
      expect(again?.headers?.['content-security-policy']).toBeDefined();
    }
    expect((await ask('/', { 'if-none-match': etag }))?.status).toBe(200);
    writeFileSync(join(folder, 'assets/index-B3xk9_2a.js'), `${SCRIPT}// new`);
    expect((await ask('/assets/index-B3xk9_2a.js', { 'if-none-match': etag }))?.status).toBe(200);
  });

  it('answer nothing but GET and HEAD', async () => {
    expect((await ask('/', {}, 'HEAD'))?.status).toBe(200);
    for (const method of ['POST', 'PUT', 'OPTIONS', 'DELETE'])
      expect(await ask('/', {}, method)).toBeUndefined();
  });

  it('leave out hidden files, links to folders, and everything outside', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'outside-'));
    try {
      writeFileSync(join(outside, 'private.txt'), 'private');
      symlinkSync(outside, join(folder, 'link'));
      writeFileSync(join(folder, '.env'), 'private');
      const name = outside.split('/').at(-1);
      for (const target of [
        '/link/private.txt',
        '/.env',
        `/../${name}/private.txt`,
        `/assets/../../${name}/private.txt`,
        `/..%2f${name}%2fprivate.txt`,
        `/${outside}/private.txt`,
        '/assets',
        '/assets/',
        '//index.html',
        '/index.html/',
        '/__proto__',
        '/constructor',
      ])
        expect(await ask(target), target).toBeUndefined();
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it('are the only thing that any path can give', async () => {
    const files = await PageFiles.read(folder);
    const known = new Set(['/', '/index.html', '/assets/index-B3xk9_2a.js', '/icon.svg', '/strange.xyz']);
    const word = fc.constantFrom(
      '..',
      '.',
      'assets',
      'index.html',
      '%2e%2e',
      '',
      'etc',
      'passwd',
      '\0',
      '\\',
    );
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const target = `/${words.join('/')}`;
        expect(files.answer({ method: 'GET', target, headers: {} }) !== undefined).toBe(known.has(target));
      }),
    );
  });

  it.each([
    ['is absent', () => rmSync(folder, { recursive: true, force: true }), 'ENOENT'],
    ['has no first page', () => rmSync(join(folder, 'index.html')), 'there is no index.html in it'],
    [
      'is too large',
      () => {
        const path = join(folder, 'huge.bin');
        writeFileSync(path, '');
        truncateSync(path, 65 * 1024 * 1024);
      },
      'it is larger than a web page',
    ],
    [
      'has too many files',
      () => {
        for (let i = 0; i < 1001; i++) writeFileSync(join(folder, `${i}.txt`), '');
      },
      'it is larger than a web page',
    ],
  ])('cannot come from a folder that %s', async (_, damage, reason) => {
    damage();
    await expect(PageFiles.read(folder)).rejects.toMatchObject({
      code: 'CONCLAVE_WEB_UNREADABLE',
      message: expect.stringContaining(reason),
    });
    mkdirSync(folder, { recursive: true });
  });
});
