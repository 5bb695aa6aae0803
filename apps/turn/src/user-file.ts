import { readFileSync, statSync } from 'node:fs';
import { Secret } from '@conclave/bytes';
import { ConclaveError, causeOf, quote } from '@conclave/service';
import type { TurnCredential } from '@conclave/turn';

/** Longest file that is read, in bytes. */
const MAX_FILE_BYTES = 1_048_576;

/** Longest name and password: what RFC 8489 §14.3 allows for a name. */
const MAX_LENGTH = 508;

/**
 * The users in a file: `NAME:PASSWORD` a line, with empty lines and lines that begin with `#` passed over. Throws
 * {@link ConclaveError} when it cannot be read or a line is neither; no message shows any of it.
 */
export function readUserFile(path: string): readonly TurnCredential[] {
  let text: string;
  try {
    if (statSync(path).size > MAX_FILE_BYTES) throw Object.assign(new Error(), { code: 'too long' });
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const message = `cannot read the user file ${quote(path)} (${causeOf(cause)})`;
    throw new ConclaveError('CONCLAVE_USERS_UNREADABLE', message);
  }
  return text.split('\n').flatMap((line, i): TurnCredential[] => {
    const entry = line.trim();
    if (entry === '' || entry.startsWith('#')) return [];
    const colon = entry.indexOf(':');
    const username = entry.slice(0, colon);
    const password = entry.slice(colon + 1);
    if (colon < 1 || password === '' || username.length > MAX_LENGTH || password.length > MAX_LENGTH) {
      const message = `line ${i + 1} of the user file ${quote(path)} is not NAME:PASSWORD`;
      throw new ConclaveError('CONCLAVE_USERS_INVALID', message);
    }
    return [{ username, password: new Secret(password) }];
  });
}
