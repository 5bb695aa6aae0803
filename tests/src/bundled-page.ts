import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/** What a page made of the client library is served with: nothing inline, no eval, nothing from elsewhere but the SFT. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  'img-src data:',
  "worker-src 'self'",
  "media-src 'self' blob: mediastream:",
  "connect-src 'self' http://127.0.0.1:* https://127.0.0.1:*",
].join('; ');

const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript' };

/** A page of `tests/pages`, bundled by vite as an application would, on a server of its own. */
export interface BundledPage {
  readonly url: string;
  close(): Promise<void>;
}

/** The files of a page in that folder after bundling, by path. */
export async function bundlePage(name: string): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const root = fileURLToPath(new URL(`../pages/${name}/`, import.meta.url));
  const built = await build({
    root,
    configFile: false,
    logLevel: 'error',
    base: './',
    build: { write: false, target: 'es2022', modulePreload: { polyfill: false } },
    worker: { format: 'es' },
  });
  const files = new Map<string, string | Uint8Array>();
  for (const output of Array.isArray(built) ? built : [built]) {
    if (!('output' in output)) throw new Error('vite is watching instead of building');
    for (const file of output.output) {
      files.set(`/${file.fileName}`, file.type === 'chunk' ? file.code : file.source);
    }
  }
  return files;
}

/** Bundles the folder of that name and serves it on loopback under a strict policy. */
export async function serveBundledPage(name: string): Promise<BundledPage> {
  const files = await bundlePage(name);
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://page').pathname;
    const name = path === '/' ? '/index.html' : path;
    const file = files.get(name);
    response.writeHead(file === undefined ? 404 : 200, {
      'content-type': TYPES[name.split('.').pop() ?? ''] ?? 'text/plain',
      'content-security-policy': POLICY,
    });
    response.end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
