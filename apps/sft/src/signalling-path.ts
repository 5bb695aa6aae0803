import { FormatError } from '@conclave/bytes';
import { type ConversationHash, parseConversationHash } from '@conclave/econn';

/** What a request's path asks for. */
export type SignallingTarget =
  | { readonly kind: 'status' }
  | { readonly kind: 'url' }
  | { readonly kind: 'conversation'; readonly conversation: ConversationHash };

/** Longest path that is looked at. */
const MAX_PATH_LENGTH = 2048;

/**
 * Reads a request's path: `/<anything>/status`, `/<anything>/url` or `/<anything>/<conversation>`, with
 * components after that ignored. The server's own URL may have a path (`https://host/sfts/sft-0`); that prefix,
 * or any `/sfts/<name>` before two more components, is taken off first, so that the server also works without
 * the proxy that usually does it. Throws FormatError `bad-path` or `bad-conversation`.
 */
export function parseSignallingPath(target: string, ownPrefix: readonly string[] = []): SignallingTarget {
  if (target.length > MAX_PATH_LENGTH) throw new FormatError('bad-path', 'the path is too long');
  let components = splitPath(target.split(/[?#]/, 1)[0]!);
  if (
    ownPrefix.length > 0 &&
    components.length >= ownPrefix.length + 2 &&
    startsWith(components, ownPrefix)
  ) {
    components = components.slice(ownPrefix.length);
  } else if (components.length >= 4 && components[0] === 'sfts') {
    components = components.slice(2);
  }
  const name = components[1];
  if (name === undefined) throw new FormatError('bad-path', 'the path has fewer than two components');
  if (name === 'status') return { kind: 'status' };
  if (name === 'url') return { kind: 'url' };
  return { kind: 'conversation', conversation: parseConversationHash(name) };
}

/** Components of a path; empty ones are skipped, so doubled slashes do no harm. */
export function splitPath(path: string): string[] {
  return path.split('/').filter((component) => component !== '');
}

function startsWith(components: readonly string[], prefix: readonly string[]): boolean {
  return prefix.every((component, i) => components[i] === component);
}
