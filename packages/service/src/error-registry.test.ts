import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConclaveError, type ErrorCode, errorRegistry, renderErrorDocument } from './error-registry.ts';

const documentPath = new URL('../../../docs/ERRORS.md', import.meta.url);

describe('the error registry', () => {
  it('is what docs/ERRORS.md says, word for word', () => {
    if (process.env.UPDATE_DOCS === '1') writeFileSync(documentPath, renderErrorDocument());
    expect(readFileSync(documentPath, 'utf8')).toBe(renderErrorDocument());
  });

  it('has whole sentences and codes of one form', () => {
    for (const [code, entry] of Object.entries(errorRegistry)) {
      expect(code).toMatch(/^CONCLAVE_[A-Z]+(_[A-Z]+)*$/);
      expect(entry.meaning).toMatch(/^[A-Z].*\.$/);
      expect(entry.remedy).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('gives errors their exit code', () => {
    const codes = Object.keys(errorRegistry) as ErrorCode[];
    for (const code of codes)
      expect(new ConclaveError(code, 'x').exitCode).toBe(errorRegistry[code].exitCode);
  });
});
