import { readFileSync, statSync } from 'node:fs';
import { Secret, toUtf8 } from '@conclave/bytes';
import { quote } from './command-line.ts';
import { ConclaveError, causeOf } from './error-registry.ts';

/** Longest shared secret, in characters: what the other readers of such files take. */
export const maxSecretLength: number = 255;

/** Longest file that is looked at for a secret, in bytes; the rest of a longer one cannot matter. */
const MAX_FILE_BYTES = 65_536;

/**
 * The shared secret in a file: its first word, up to white space. Throws {@link ConclaveError} when the file
 * cannot be read, is empty, or the word is longer than {@link maxSecretLength}. No message shows any of it.
 */
export function readSecretFile(path: string): Secret<Uint8Array> {
  let text: string;
  try {
    if (statSync(path).size > MAX_FILE_BYTES) throw Object.assign(new Error(), { code: 'too long' });
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const message = `cannot read the secret file ${quote(path)} (${causeOf(cause)})`;
    throw new ConclaveError('CONCLAVE_SECRET_UNREADABLE', message);
  }
  const word = /\S+/.exec(text)?.[0];
  if (word === undefined || word.length > maxSecretLength) {
    const reason =
      word === undefined ? 'is empty' : `begins with a word of more than ${maxSecretLength} characters`;
    throw new ConclaveError('CONCLAVE_SECRET_INVALID', `the secret file ${quote(path)} ${reason}`);
  }
  return new Secret(toUtf8(word));
}

/**
 * Shared secrets from one or more files, all of them valid at the same time: to rotate a secret, name the file
 * of the old one and that of the new one until nobody uses the old any more.
 */
export class SecretFiles {
  readonly #paths: readonly string[];
  #secrets: readonly Secret<Uint8Array>[];

  /** Reads all files at once. Throws as {@link readSecretFile} does. */
  constructor(paths: readonly string[]) {
    this.#paths = paths;
    this.#secrets = paths.map(readSecretFile);
  }

  /** The files, in the order given. */
  get paths(): readonly string[] {
    return this.#paths;
  }

  /** The secrets as last read without error, in the order of the files. */
  get secrets(): readonly Secret<Uint8Array>[] {
    return this.#secrets;
  }

  /** Reads all files again. When one of them throws, all secrets stay as they were. */
  reload(): void {
    this.#secrets = this.#paths.map(readSecretFile);
  }
}
