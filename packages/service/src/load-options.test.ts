import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConclaveError } from './error-registry.ts';
import { type LoadedOptions, loadOptions } from './load-options.ts';
import {
  acceptIpAddress,
  choiceOption,
  ignoredOption,
  integerOption,
  listOption,
  type OptionsFor,
  switchOption,
  textOption,
} from './option.ts';

interface Values {
  readonly config: string | undefined;
  readonly count: number;
  readonly loud: boolean;
  readonly names: readonly string[];
  readonly address: string | undefined;
  readonly colour: 'red' | 'blue';
  readonly password: string | undefined;
  readonly old: undefined;
}

const options: OptionsFor<Values> = {
  config: textOption({ doc: 'd' }),
  count: integerOption({ short: 'c', doc: 'd', min: 1, max: 10, fallback: 3 }),
  loud: switchOption({ short: 'l', doc: 'd' }),
  names: listOption({ short: 'n', doc: 'd', maxItems: 3 }),
  address: textOption({ doc: 'd', check: acceptIpAddress }),
  colour: choiceOption({ doc: 'd', choices: ['red', 'blue'], fallback: 'red' }),
  password: textOption({ doc: 'd', confidential: true, check: (t) => (t === 'good' ? undefined : 'good') }),
  old: ignoredOption({ short: 'o', doc: 'd', takes: 'one', warning: 'it is gone' }),
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'options-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(
  words: string[],
  environment: Record<string, string> = {},
  file?: string,
): LoadedOptions<Values> {
  const path = join(folder, 'config.yaml');
  if (file !== undefined) writeFileSync(path, file);
  return loadOptions({
    options,
    words: file === undefined ? words : ['--config', path, ...words],
    environment,
    environmentPrefix: 'APP_',
    configOption: 'config',
  })!;
}

function problem(...input: Parameters<typeof load>): string {
  try {
    load(...input);
  } catch (error) {
    if (error instanceof ConclaveError) {
      return `${error.code}: ${error.message.replaceAll(folder, '')}`;
    }
    throw error;
  }
  return 'none';
}

describe('loadOptions', () => {
  it('takes flags before the environment, that before the file, and that before defaults', () => {
    const all = load(['-c', '1'], { APP_COUNT: '2' }, 'count: 4');
    expect([all.values.count, all.sources.count]).toEqual([1, 'flag']);
    const environment = load([], { APP_COUNT: '2' }, 'count: 4');
    expect([environment.values.count, environment.sources.count]).toEqual([2, 'environment']);
    const file = load([], {}, 'count: 4');
    expect([file.values.count, file.sources.count]).toEqual([4, 'file']);
    const none = load([]);
    expect([none.values.count, none.sources.count]).toEqual([3, 'default']);
  });

  it('finds the file by the environment too', () => {
    const path = join(folder, 'other.yaml');
    writeFileSync(path, 'loud: true\nnames: [a, b]\ncolour: blue\n');
    const { values } = load([], { APP_CONFIG: path });
    expect([values.loud, values.names, values.colour]).toEqual([true, ['a', 'b'], 'blue']);
  });

  it('lets a switch of the file be switched off by a flag', () => {
    expect(load(['--no-loud'], {}, 'loud: true').values.loud).toBe(false);
  });

  it('takes the last of a repeated value and joins the parts of a list', () => {
    expect(load(['-c', '1', '-c', '2']).values.count).toBe(2);
    expect(load(['-n', 'a,b', '-n', 'a, c']).values.names).toEqual(['a', 'b', 'c']);
  });

  it('takes an empty environment variable as not set', () => {
    expect(load([], { APP_COUNT: '' }).values.count).toBe(3);
  });

  it('warns of variables that mean nothing, except those Kubernetes makes for services', () => {
    const { warnings } = load([], {
      APP_CUONT: '1',
      APP_SERVICE_HOST: '10.0.0.1',
      APP_PORT: 'tcp://10.0.0.1:80',
      APP_PORT_80_TCP_ADDR: '10.0.0.1',
      OTHER: 'x',
    });
    expect(warnings).toEqual(['the environment variable "APP_CUONT" is no setting of this command']);
  });

  it('warns of flags that do nothing', () => {
    expect(load(['-o', 'x']).warnings).toEqual(['-o (--old) has no effect: it is gone']);
  });

  it('stops for help', () => {
    expect(load(['--help'])).toBeUndefined();
  });

  it.each([
    [
      ['-c', '0'],
      {},
      undefined,
      'CONCLAVE_OPTION_INVALID: -c (--count) must be a whole number from 1 to 10, not "0"',
    ],
    [
      ['-c', '1e1'],
      {},
      undefined,
      'CONCLAVE_OPTION_INVALID: -c (--count) must be a whole number from 1 to 10, not "1e1"',
    ],
    [
      ['-c', '-1'],
      {},
      undefined,
      'CONCLAVE_OPTION_INVALID: -c (--count) must be a whole number from 1 to 10, not "-1"',
    ],
    [
      [],
      { APP_COUNT: 'x' },
      undefined,
      'CONCLAVE_OPTION_INVALID: the environment variable APP_COUNT must be a whole number from 1 to 10, not "x"',
    ],
    [
      [],
      {},
      'count: 11',
      'CONCLAVE_OPTION_INVALID: "count" in the configuration file must be a whole number from 1 to 10, not "11"',
    ],
    [
      [],
      {},
      'count: 1.5',
      'CONCLAVE_OPTION_INVALID: "count" in the configuration file must be a whole number from 1 to 10, not "1.5"',
    ],
    [
      [],
      { APP_LOUD: 'loud' },
      undefined,
      'CONCLAVE_OPTION_INVALID: the environment variable APP_LOUD must be true or false, not "loud"',
    ],
    [
      ['-n', 'a,b,c,d'],
      {},
      undefined,
      'CONCLAVE_OPTION_INVALID: -n (--names) must be a list of at most 3, not "a,b,c,d"',
    ],
    [
      ['--address', 'localhost'],
      {},
      undefined,
      'CONCLAVE_OPTION_INVALID: --address must be an IPv4 or IPv6 address, not "localhost"',
    ],
    [
      ['--colour', 'green'],
      {},
      undefined,
      'CONCLAVE_OPTION_INVALID: --colour must be one of red, blue, not "green"',
    ],
    [['--password', 'hunter2'], {}, undefined, 'CONCLAVE_OPTION_INVALID: --password must be good'],
    [
      ['--address='],
      {},
      undefined,
      'CONCLAVE_OPTION_INVALID: --address must be a text of 1 to 4096 characters without control characters, not ""',
    ],
    [
      [],
      {},
      'cuont: 1',
      'CONCLAVE_CONFIG_KEY_UNKNOWN: the configuration file "/config.yaml" has the unknown key "cuont"',
    ],
    [
      [],
      {},
      'config: x',
      'CONCLAVE_CONFIG_KEY_UNKNOWN: the configuration file "/config.yaml" has the unknown key "config"',
    ],
    [
      [],
      {},
      '__proto__: 1',
      'CONCLAVE_CONFIG_KEY_UNKNOWN: the configuration file "/config.yaml" has the unknown key "__proto__"',
    ],
    [
      [],
      {},
      'count: [1, 2]',
      'CONCLAVE_CONFIG_MALFORMED: the configuration file "/config.yaml" is wrong: the value of "count" is of the wrong kind',
    ],
    [
      [],
      {},
      'names: {a: 1}',
      'CONCLAVE_CONFIG_MALFORMED: the configuration file "/config.yaml" is wrong: the value of "names" is of the wrong kind',
    ],
    [
      [],
      {},
      'names: [[a]]',
      'CONCLAVE_CONFIG_MALFORMED: the configuration file "/config.yaml" is wrong: the value of "names" is of the wrong kind',
    ],
    [
      [],
      {},
      '- count',
      'CONCLAVE_CONFIG_MALFORMED: the configuration file "/config.yaml" is wrong: it is not a mapping of names to values',
    ],
    [
      [],
      {},
      'loud: true\ncount: "',
      'CONCLAVE_CONFIG_MALFORMED: the configuration file "/config.yaml" is wrong: line 2 is not valid YAML',
    ],
    [
      [],
      {},
      'count: 1\ncount: 2',
      'CONCLAVE_CONFIG_MALFORMED: the configuration file "/config.yaml" is wrong: line 2 is not valid YAML',
    ],
    [
      [],
      {},
      'count: &a 1\nnames: [*a, *a]',
      'CONCLAVE_CONFIG_MALFORMED: the configuration file "/config.yaml" is wrong: it uses aliases, which are not accepted',
    ],
    [
      ['--config', '/nowhere/x.yaml'],
      {},
      undefined,
      'CONCLAVE_CONFIG_UNREADABLE: cannot read the configuration file "/nowhere/x.yaml" (ENOENT)',
    ],
  ])('refuses %j %j %j', (words, environment, file, expected) => {
    expect(problem(words, environment as Record<string, string>, file)).toBe(expected);
  });

  it('takes an empty file as no settings', () => {
    expect(load([], {}, '').values.count).toBe(3);
    expect(load([], {}, '# nothing\n').values.count).toBe(3);
    expect(load([], {}, 'count:\n').values.count).toBe(3);
  });

  it('refuses a configuration file of more than 1 MiB', () => {
    expect(problem([], {}, `# ${'x'.repeat(1_048_576)}`)).toContain('CONCLAVE_CONFIG_UNREADABLE');
  });
});
