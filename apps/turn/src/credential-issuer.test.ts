import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CredentialFiles } from './credential-files.ts';
import { CredentialIssuer } from './credential-issuer.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-issuer-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('makes credentials that a server with the same secret takes until they end', () => {
  const secretFile = join(folder, 'secret');
  writeFileSync(secretFile, 'north');
  const { users } = new CredentialFiles({ realm: 'r', secretFiles: [secretFile], userFile: undefined });
  const [one, other] = [0, 1].map(() => new CredentialIssuer(secretFile).issue(5000.9));
  expect(one!.username).not.toBe(other!.username);
  const passwords = (at: number) => users.user(one!.username, at)?.passwords.map((p) => p.reveal());
  expect(passwords(4_999_000)).toEqual([one!.password.reveal()]);
  expect(passwords(5_001_000)).toBeUndefined();
});
