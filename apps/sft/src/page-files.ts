import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip, constants as zlib } from 'node:zlib';
import { ConclaveError, causeOf, type HttpReply, quote } from '@conclave/service';
import { pageSecurityHeaders } from './page-security-headers.ts';

/** A request for a file, as far as it matters. Header names are in lower case. */
export interface PageRequest {
  readonly method: string;
  /** Path and query as they came, not decoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** One file, ready to be sent. */
interface PageFile {
  readonly contentType: string;
  readonly cacheControl: string;
  readonly variants: readonly PageVariant[];
}

/** One encoding of a file. */
interface PageVariant {
  readonly encoding: 'br' | 'gzip' | undefined;
  readonly etag: string;
  readonly body: Uint8Array;
}

const INDEX = 'index.html';
/** Bounds of a folder: a wrong one (a whole disk) is refused and not read into memory. */
const MAX_FILES = 1000;
const MAX_DEPTH = 8;
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
/** Smaller ones fit into a packet or two anyway. */
const MIN_COMPRESSED_BYTES = 1024;
/** Quality 9 of 11 gets within a few percent of the best for a fraction of the time that a start takes. */
const BROTLI_QUALITY = 9;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.mp3': 'audio/mpeg',
  '.ogg': 'audio/ogg',
  '.wav': 'audio/wav',
};
const COMPRESSIBLE = /^(text\/|application\/(json|manifest\+json|wasm)|image\/svg)/;
/** A name with a hash of its content, as bundlers make them: `index-B3xk9_2a.js`. */
const HASHED_NAME = /[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/;

/**
 * The files of a web page, read into memory at once: a request can get what was read and nothing else, whatever its
 * path says. Names that begin with a dot and symbolic links to folders are left out.
 */
export class PageFiles {
  readonly #files: ReadonlyMap<string, PageFile>;

  private constructor(files: ReadonlyMap<string, PageFile>) {
    this.#files = files;
  }

  /**
   * Reads a folder with an `index.html`. Rejects with {@link ConclaveError} `CONCLAVE_WEB_UNREADABLE` when it cannot be
   * read, has no such file, or has more than 1000 files or 64 MiB.
   */
  static async read(folder: string): Promise<PageFiles> {
    const files = new Map<string, PageFile>();
    try {
      const names = await listFiles(folder, '', 0);
      let bytes = 0;
      for (const name of names.slice(0, MAX_FILES)) bytes += (await stat(join(folder, name))).size;
      if (names.length > MAX_FILES || bytes > MAX_TOTAL_BYTES)
        throw unreadable(folder, 'it is larger than a web page');
      if (!names.includes(INDEX)) throw unreadable(folder, `there is no ${INDEX} in it`);
      for (const name of names) {
        const body = await readFile(join(folder, name));
        files.set(`/${name}`, await prepare(name, body));
      }
    } catch (cause) {
      if (cause instanceof ConclaveError) throw cause;
      throw unreadable(folder, causeOf(cause), cause);
    }
    files.set('/', files.get(`/${INDEX}`)!);
    return new PageFiles(files);
  }

  /** The answer to a request for one of the files by GET or HEAD; undefined for any other request. */
  answer(request: PageRequest): HttpReply | undefined {
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
    const file = this.#files.get(request.target.split(/[?#]/, 1)[0]!);
    if (!file) return undefined;
    const variant = chooseVariant(file, headerText(request.headers['accept-encoding']));
    const headers = {
      ...pageSecurityHeaders,
      'cache-control': file.cacheControl,
      etag: variant.etag,
      ...(file.variants.length > 1 ? { vary: 'Accept-Encoding' } : {}),
    };
    if (matchesTag(headerText(request.headers['if-none-match']), file))
      return { status: 304, contentType: file.contentType, headers, body: '' };
    const encoding = variant.encoding === undefined ? {} : { 'content-encoding': variant.encoding };
    return {
      status: 200,
      contentType: file.contentType,
      headers: { ...headers, ...encoding },
      body: variant.body,
    };
  }
}

async function listFiles(folder: string, prefix: string, depth: number): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue;
    const name = `${prefix}${entry.name}`;
    if (entry.isDirectory()) {
      if (depth < MAX_DEPTH) found.push(...(await listFiles(folder, `${name}/`, depth + 1)));
    } else if (entry.isFile() || (entry.isSymbolicLink() && (await stat(join(folder, name))).isFile())) {
      found.push(name);
    }
    if (found.length > MAX_FILES) break;
  }
  return found;
}

async function prepare(name: string, body: Uint8Array): Promise<PageFile> {
  const contentType = TYPES[extname(name).toLowerCase()] ?? 'application/octet-stream';
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  const variants: PageVariant[] = [{ encoding: undefined, etag: `"${hash}"`, body }];
  if (COMPRESSIBLE.test(contentType) && body.length >= MIN_COMPRESSED_BYTES) {
    const [brotli, gzipped] = await Promise.all([
      promisify(brotliCompress)(body, { params: { [zlib.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }),
      promisify(gzip)(body, { level: 9 }),
    ]);
    for (const [encoding, compressed] of [['gzip', gzipped] as const, ['br', brotli] as const]) {
      if (compressed.length < body.length)
        variants.unshift({ encoding, etag: `"${hash}-${encoding}"`, body: compressed });
    }
  }
  const immutable = name.startsWith('assets/') && HASHED_NAME.test(name);
  return {
    contentType,
    cacheControl: immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    variants,
  };
}

/** The first variant, smallest first, that the client takes. */
function chooseVariant(file: PageFile, acceptEncoding: string): PageVariant {
  const accepted = new Set<string>();
  for (const part of acceptEncoding.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim());
    if (!parameters.some((text) => /^q=0(\.0*)?$/.test(text))) accepted.add(name);
  }
  const found = file.variants.find(({ encoding }) => encoding === undefined || accepted.has(encoding));
  return found ?? file.variants.at(-1)!;
}

/** Compares weakly (RFC 9110 §13.1.2): any encoding of the same content will do. */
function matchesTag(ifNoneMatch: string, file: PageFile): boolean {
  if (ifNoneMatch === '') return false;
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || file.variants.some(({ etag }) => tags.includes(etag));
}

function headerText(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}

function unreadable(folder: string, reason: string, cause?: unknown): ConclaveError {
  return new ConclaveError(
    'CONCLAVE_WEB_UNREADABLE',
    `cannot use the folder ${quote(folder)} as the web page: ${reason}`,
    { cause },
  );
}
