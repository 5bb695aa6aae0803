import { mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8 } from '@conclave/bytes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConclaveError } from './error-registry.ts';
import { FileWatcher } from './file-watcher.ts';
import { readSecretFile, SecretFiles } from './secret-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'secret-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function words(files: SecretFiles): string[] {
  return files.secrets.map((secret) => fromUtf8(secret.reveal()));
}

describe('readSecretFile', () => {
  it.each([
    ['word', 'word'],
    ['word\n', 'word'],
    ['  \n\t word  # comment\nmore', 'word'],
    ['x'.repeat(255), 'x'.repeat(255)],
    ['pässwort ', 'pässwort'],
  ])('takes the first word of %j', (text, expected) => {
    expect(fromUtf8(readSecretFile(file('s', text)).reveal())).toBe(expected);
  });

  it.each([
    ['', 'CONCLAVE_SECRET_INVALID'],
    [' \n\t', 'CONCLAVE_SECRET_INVALID'],
    ['x'.repeat(256), 'CONCLAVE_SECRET_INVALID'],
    ['x'.repeat(70_000), 'CONCLAVE_SECRET_UNREADABLE'],
  ])('refuses a file that begins with %.10j', (text, code) => {
    try {
      readSecretFile(file('s', text));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConclaveError);
      expect((error as ConclaveError).code).toBe(code);
      expect((error as ConclaveError).message).not.toContain('xxx');
    }
  });

  it('names a file that is not there', () => {
    expect(() => readSecretFile(join(folder, 'none'))).toThrow(
      /cannot read the secret file .*none" \(ENOENT\)/,
    );
  });
});

describe('SecretFiles', () => {
  it('has the secrets of all files and follows changes', () => {
    const files = new SecretFiles([file('old', 'one'), file('new', 'two')]);
    expect(words(files)).toEqual(['one', 'two']);
    file('old', 'three');
    files.reload();
    expect(words(files)).toEqual(['three', 'two']);
  });

  it('keeps what it has when a file becomes unusable', () => {
    const files = new SecretFiles([file('a', 'one'), file('b', 'two')]);
    file('a', 'changed');
    file('b', '');
    expect(() => files.reload()).toThrow(ConclaveError);
    expect(words(files)).toEqual(['one', 'two']);
  });
});

describe('FileWatcher', () => {
  it('notices new contents, replaced links, and files that appear and go', async () => {
    let changes = 0;
    const a = file('a', '1');
    const link = join(folder, 'link');
    const late = join(folder, 'late');
    symlinkSync(file('v1', 'same'), link);
    const watcher = new FileWatcher({
      paths: [a, link, late],
      intervalMs: 3_600_000,
      onChange: () => void changes++,
      onError: (error) => {
        throw error;
      },
    });
    await watcher.check();
    expect(changes).toBe(0);
    file('a', '22');
    await watcher.check();
    expect(changes).toBe(1);
    unlinkSync(link);
    symlinkSync(file('v2', 'same'), link);
    await watcher.check();
    expect(changes).toBe(2);
    file('late', 'x');
    await watcher.check();
    expect(changes).toBe(3);
    await watcher.check();
    expect(changes).toBe(3);
    watcher.close();
    unlinkSync(late);
    await watcher.check();
    expect(changes).toBe(3);
  });

  it('goes on after a change that could not be used', async () => {
    const errors: unknown[] = [];
    const a = file('a', '1');
    const watcher = new FileWatcher({
      paths: [a],
      intervalMs: 3_600_000,
      onChange: () => {
        throw new Error('no');
      },
      onError: (error) => errors.push(error),
    });
    await watcher.check();
    file('a', '22');
    await watcher.check();
    file('a', '333');
    await watcher.check();
    expect(errors).toHaveLength(2);
    watcher.close();
  });
});
