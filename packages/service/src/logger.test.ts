import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '@conclave/bytes';
import { describe, expect, it } from 'vitest';
import { ConclaveError } from './error-registry.ts';
import { createLogger, type Logger } from './logger.ts';
import { describeUnforeseen } from './redaction.ts';

function logged(write: (log: Logger) => void): string {
  let text = '';
  const stream = {
    write: (line: string) => {
      text += line;
    },
  };
  write(createLogger({ name: 'test', level: 'debug', stream }).log);
  return text;
}

const SECRET = 'hunter2hunter2';
const HASH = 'b4f510b7ddb37f196f6cdecbb691c8a1';

describe('createLogger', () => {
  it('writes one JSON object a line with name, level, time and message', () => {
    const line = JSON.parse(logged((log) => log.info({ count: 3 }, 'done'))) as { time: unknown };
    expect(line).toMatchObject({ name: 'test', level: 'info', count: 3, msg: 'done' });
    expect(Date.parse(String(line.time))).not.toBeNaN();
  });

  it.each([
    ['a secret field', { credential: SECRET }],
    ['a field that has a secret name inside', { sftTokenSecret: SECRET }],
    ['a nested field', { request: { message: { Password: SECRET } } }],
    ['a field in a list', { servers: [{ credential: SECRET }] }],
    ['a wrapped secret', { anything: new Secret(SECRET) }],
    ['a header', { headers: { x: SECRET } }],
    ['a session description', { sdp: SECRET }],
    ['bytes', { key: Buffer.from(SECRET) }],
    ['something deep', { a: { b: { c: { d: { e: SECRET } } } } }],
  ])('does not show %s', (_, fields) => {
    const text = logged((log) => log.error(fields, 'x'));
    expect(text).not.toContain(SECRET);
    expect(text).toContain('"msg":"x"');
  });

  it('shortens ids wherever they stand', () => {
    const text = logged((log) => {
      log.info({ conversation: HASH, list: [HASH] }, `call ${HASH} of %s`, HASH);
      log.error({ err: new Error(`no ${HASH}`) }, 'failed');
      log.error(new Error(`alone ${HASH}`));
    });
    expect(text).not.toContain(HASH);
    expect(text).toContain('b4f510…');
    expect(text).toContain('no b4f510…');
  });

  it('keeps a line a line', () => {
    const text = logged((log) => log.info({ tool: 'a\r\n{"level":"fatal"}' }, 'one\ntwo\u2028three'));
    expect(text.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(text)).toMatchObject({ msg: 'one two three' });
  });

  it('shows the code of an error and no stack for those with a code of ours', () => {
    const text = logged((log) => log.error({ err: new ConclaveError('CONCLAVE_SECRET_INVALID', 'x') }, 'm'));
    expect(JSON.parse(text)).toMatchObject({ err: { code: 'CONCLAVE_SECRET_INVALID', message: 'x' } });
    expect(text).not.toContain('stack');
  });

  it('cuts long texts', () => {
    expect(logged((log) => log.info({ long: 'ä'.repeat(100_000) }, 'x')).length).toBeLessThan(3000);
  });

  it('writes into a file and goes on in a new one when that was moved', () => {
    const folder = mkdtempSync(join(tmpdir(), 'log-'));
    try {
      const output = createLogger({ name: 'test', level: 'info', filePrefix: join(folder, 'a/sft') });
      output.log.info('first');
      renameSync(join(folder, 'a/sft.log'), join(folder, 'a/sft.1'));
      output.reopen();
      output.log.info('second');
      output.flush();
      expect(readFileSync(join(folder, 'a/sft.1'), 'utf8')).toContain('first');
      expect(readFileSync(join(folder, 'a/sft.log'), 'utf8')).toContain('second');
      writeFileSync(join(folder, 'plain'), '');
      expect(() =>
        createLogger({ name: 'test', level: 'info', filePrefix: join(folder, 'plain/x') }),
      ).toThrow(ConclaveError);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('describeUnforeseen', () => {
  it('is one line with the place and without ids', () => {
    const line = describeUnforeseen(new TypeError(`no ${HASH}\nhere`));
    expect(line).toMatch(/^CONCLAVE_INTERNAL: TypeError: no b4f510… here \| at .*logger\.test\.ts/);
    expect(line).not.toContain('\n');
    expect(describeUnforeseen(HASH)).toBe('CONCLAVE_INTERNAL: thrown value that is no error');
  });
});
