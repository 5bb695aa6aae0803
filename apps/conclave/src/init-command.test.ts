import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './cli.ts';
import { createInitCommand } from './init-command.ts';
import { renderSystemdUnit } from './systemd-unit.ts';
import { loadUpOptions } from './up-command.ts';
import { planUp, type UpPlan } from './up-plan.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'init-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function init(
  line: string,
  answers?: readonly string[],
): Promise<{ code: number; out: string; err: string; asked: string[] }> {
  const asked: string[] = [];
  const left = [...(answers ?? [])];
  const ask = async (question: string): Promise<string> => {
    asked.push(question);
    return left.shift() ?? '';
  };
  let out = '';
  let err = '';
  const code = await runCli(
    {
      words: ['init', '--folder', folder, ...line.split(' ').filter(Boolean)],
      environment: {},
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      version: '1.2.3',
    },
    [createInitCommand({ ask: answers ? ask : undefined })],
  );
  return { code, out, err, asked };
}

function planOfFile(): UpPlan {
  const loaded = loadUpOptions(['--config', join(folder, 'conclave.yaml')], {});
  return planUp(loaded!.values, { interfaces: {}, hostName: 'box' });
}

describe('conclave init', () => {
  it('asks three questions and writes what conclave up understands', async () => {
    const { code, asked, out } = await init('', [
      'Meet.Example.org',
      '203.0.113.7',
      '/tls/chain.pem, /tls/key.pem',
    ]);
    expect(code).toBe(0);
    expect(asked).toHaveLength(3);
    expect(planOfFile()).toMatchObject({
      reach: 'domain',
      urls: ['https://meet.example.org'],
      port: 443,
      certificate: { from: 'files', files: { certificatePath: '/tls/chain.pem', keyPath: '/tls/key.pem' } },
    });
    expect(readFileSync(join(folder, 'conclave.yaml'), 'utf8')).toContain('203.0.113.7');
    expect(out).toContain(`conclave up --config ${join(folder, 'conclave.yaml')}`);
  });

  it('asks again after an answer that cannot be, but not for ever', async () => {
    const { code, asked, err } = await init('-A none --certificate proxy', ['https://x', 'meet.example.org']);
    expect(code).toBe(0);
    expect(asked).toHaveLength(2);
    expect(err).toBe('Please give a host name such as meet.example.org.\n');
    const nonsense = await init('--force -A none --certificate proxy', ['', '', '', 'meet.example.org']);
    expect(nonsense.code).toBe(2);
    expect(nonsense.err).toContain('CONCLAVE_ANSWER_MISSING');
  });

  it.each([
    ['self-made', 'self'],
    ['proxy', 'proxy'],
  ])('takes all answers as flags: %s', async (certificate, from) => {
    const { code } = await init(`--domain meet.example.org -A none --certificate ${certificate}`);
    expect(code).toBe(0);
    expect(planOfFile().certificate.from).toBe(from);
  });

  it('names the flag when there is nobody to ask', async () => {
    const { code, err } = await init('--domain meet.example.org --certificate proxy');
    expect(code).toBe(2);
    expect(err).toContain('CONCLAVE_ANSWER_MISSING: --public-address has to be given');
  });

  it('replaces nothing unless told to', async () => {
    const line = '--domain meet.example.org -A none --certificate proxy';
    writeFileSync(join(folder, 'conclave.service'), 'mine');
    expect(await init(line)).toMatchObject({ code: 2, err: expect.stringContaining('CONCLAVE_FILE_EXISTS') });
    expect(readFileSync(join(folder, 'conclave.service'), 'utf8')).toBe('mine');
    expect((await init(`${line} --force`)).code).toBe(0);
    expect(readFileSync(join(folder, 'conclave.service'), 'utf8')).toContain('ExecStart=');
  });

  it('says when it cannot write', async () => {
    writeFileSync(join(folder, 'file'), '');
    const line = `--folder ${join(folder, 'file')} --domain meet.example.org -A none --certificate proxy`;
    expect(await init(line)).toMatchObject({
      code: 2,
      err: expect.stringContaining('CONCLAVE_STATE_UNWRITABLE'),
    });
  });
});

const analyze = spawnSync('systemd-analyze', ['--version'], { stdio: 'ignore' }).status === 0;

describe('the systemd unit', () => {
  it('quotes what systemd would expand or split', () => {
    const unit = renderSystemdUnit({
      node: '/usr/bin/node',
      program: '/opt/my conclave/conclave.mjs',
      configPath: '/etc/100%/a$b.yaml',
    });
    expect(unit).toContain(
      'ExecStart=/usr/bin/node "/opt/my conclave/conclave.mjs" up --config /etc/100%%/a$$b.yaml',
    );
    expect(unit).not.toContain('LoadCredential');
  });

  it.skipIf(!analyze)('is one that systemd takes without a word (needs systemd-analyze)', () => {
    mkdirSync(join(folder, 'a b'));
    const program = join(folder, 'a b', 'conclave.mjs');
    writeFileSync(program, '');
    const unit = renderSystemdUnit({
      node: process.execPath,
      program,
      configPath: '/etc/conclave.yaml',
      certificatePath: '/tls/chain.pem',
      keyPath: '/tls/key.pem',
    });
    const path = join(folder, 'conclave.service');
    writeFileSync(path, unit);
    const result = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
    expect(result.stderr.split('\n').filter((line) => line.includes('conclave.service'))).toEqual([]);
    expect(execFileSync('grep', ['-c', '^LoadCredential=', path], { encoding: 'utf8' }).trim()).toBe('2');
  });
});
