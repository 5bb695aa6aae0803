import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTlsFiles } from '@conclave/service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureSelfMadeCertificate } from './self-made-certificate.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2030, 0, 1);
const NAMES = ['192.0.2.7', 'fd00::2', 'meeting-box', 'localhost'];

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'certificate-'));
  folder = join(parent, 'state');
});
afterEach(() => rmSync(parent, { recursive: true }));

describe('a self-made certificate', () => {
  it('is for the names and addresses it was asked for, and its key fits', async () => {
    const made = await ensureSelfMadeCertificate({ folder, names: NAMES, nowMs: NOW_MS });
    expect(made.fresh).toBe(true);
    const certificate = new X509Certificate(readFileSync(made.certificatePath));
    expect(certificate.checkIP('192.0.2.7')).toBe('192.0.2.7');
    expect(certificate.checkIP('fd00::2')).toBe('fd00::2');
    expect(certificate.checkHost('meeting-box')).toBe('meeting-box');
    expect(certificate.checkIP('192.0.2.8')).toBeUndefined();
    expect(certificate.ca).toBe(false);
    expect(certificate.fingerprint256).toBe(made.fingerprint);
    expect(made.expiresAtMs).toBe(NOW_MS + 365 * DAY_MS);
    expect(() => readTlsFiles(made)).not.toThrow();
  });

  it('is kept where nobody else can read it', async () => {
    const made = await ensureSelfMadeCertificate({ folder, names: NAMES, nowMs: NOW_MS });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(made.keyPath).mode & 0o777).toBe(0o600);
  });

  it('is used again while it serves', async () => {
    const first = await ensureSelfMadeCertificate({ folder, names: NAMES, nowMs: NOW_MS });
    const again = await ensureSelfMadeCertificate({ folder, names: NAMES, nowMs: NOW_MS + 300 * DAY_MS });
    expect(again).toEqual({ ...first, fresh: false });
  });

  it.each<[string, { names?: string[]; nowMs?: number; damage?: () => void }]>([
    ['it is about to expire', { nowMs: NOW_MS + 336 * DAY_MS }],
    ['it has expired', { nowMs: NOW_MS + 1000 * DAY_MS }],
    ['the clock was wrong when it was made', { nowMs: NOW_MS - 10 * DAY_MS }],
    ['an address came', { names: [...NAMES, '192.0.2.8'] }],
    ['an address went', { names: NAMES.slice(1) }],
    ['an address changed', { names: ['192.0.2.9', ...NAMES.slice(1)] }],
    ['its key is gone', { damage: () => rmSync(join(folder, 'key.pem')) }],
    ['its key is damaged', { damage: () => writeFileSync(join(folder, 'key.pem'), 'nonsense') }],
    ['it is damaged', { damage: () => writeFileSync(join(folder, 'certificate.pem'), 'nonsense') }],
  ])('is made anew when %s', async (_, { names = NAMES, nowMs = NOW_MS, damage }) => {
    const first = await ensureSelfMadeCertificate({ folder, names: NAMES, nowMs: NOW_MS });
    damage?.();
    const second = await ensureSelfMadeCertificate({ folder, names, nowMs });
    expect(second.fresh).toBe(true);
    expect(second.fingerprint).not.toBe(first.fingerprint);
    expect(() => readTlsFiles(second)).not.toThrow();
    expect(statSync(second.keyPath).mode & 0o777).toBe(0o600);
  });

  it('says when its folder cannot be written', async () => {
    writeFileSync(folder, 'a file');
    await expect(ensureSelfMadeCertificate({ folder, names: NAMES, nowMs: NOW_MS })).rejects.toMatchObject({
      code: 'CONCLAVE_STATE_UNWRITABLE',
    });
  });
});
