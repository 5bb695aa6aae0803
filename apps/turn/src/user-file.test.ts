import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CredentialFiles } from './credential-files.ts';
import { readUserFile } from './user-file.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-users-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(text: string, name = 'users'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

it('reads one user a line and passes over comments and empty lines', () => {
  const users = readUserFile(file('# staff\nalice:won:der\r\n\n  bob:builder  \n'));
  expect(users.map(({ username, password }) => [username, password.reveal()])).toEqual([
    ['alice', 'won:der'],
    ['bob', 'builder'],
  ]);
});

it.each([
  ['without a colon', 'alice'],
  ['without a name', ':wonder'],
  ['without a password', 'alice:'],
  ['with too long a name', `${'a'.repeat(509)}:b`],
  ['with too long a password', `a:${'b'.repeat(509)}`],
])('refuses a line %s, and says which without showing it', (_name, line) => {
  expect(() => readUserFile(file(`bob:builder\n${line}\n`))).toThrow(
    expect.objectContaining({
      code: 'CONCLAVE_USERS_INVALID',
      message: `line 2 of the user file "${join(folder, 'users')}" is not NAME:PASSWORD`,
    }),
  );
});

it('refuses a file that is not there', () => {
  expect(() => readUserFile(join(folder, 'absent'))).toThrow(
    expect.objectContaining({ code: 'CONCLAVE_USERS_UNREADABLE' }),
  );
});

it('keeps the former users and secrets when a changed file cannot be used', () => {
  const userFile = file('alice:wonder');
  const secretFile = file('north', 'secret');
  const files = new CredentialFiles({ realm: 'r', secretFiles: [secretFile], userFile });
  const passwords = (name: string) => files.users.user(name, 0)?.passwords.map((p) => p.reveal());
  const [timeLimited] = passwords('99:x')!;
  file('bob');
  file('south', 'secret');
  expect(() => files.reload()).toThrow(/line 1/);
  expect([passwords('alice'), passwords('99:x')]).toEqual([['wonder'], [timeLimited]]);
  file('bob:builder');
  files.reload();
  expect([passwords('alice'), passwords('bob')]).toEqual([undefined, ['builder']]);
  expect(passwords('99:x')).not.toEqual([timeLimited]);
});
