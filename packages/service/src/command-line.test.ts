import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from './command-line.ts';
import { ConclaveError } from './error-registry.ts';
import { integerOption, listOption, type Option, portOption, switchOption, textOption } from './option.ts';

const options: Record<string, Option<unknown>> = {
  port: portOption({ short: 'p', doc: 'd', fallback: 1 }),
  workers: integerOption({ short: 'w', doc: 'd', min: 1, max: 9, fallback: 1 }),
  quiet: switchOption({ short: 'q', doc: 'd' }),
  verbose: switchOption({ short: 'v', doc: 'd' }),
  url: textOption({ short: 'u', doc: 'd' }),
  names: listOption({ short: 'n', doc: 'd' }),
};

function given(...words: string[]): Record<string, readonly string[]> {
  return Object.fromEntries(parseCommandLine(words, options).given);
}

function problem(...words: string[]): string {
  try {
    parseCommandLine(words, options);
  } catch (error) {
    if (error instanceof ConclaveError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
}

describe('parseCommandLine', () => {
  it.each([
    [['-p', '8585'], { port: ['8585'] }],
    [['-p8585'], { port: ['8585'] }],
    [['--port', '8585'], { port: ['8585'] }],
    [['--port=8585'], { port: ['8585'] }],
    [['-qv'], { quiet: ['true'], verbose: ['true'] }],
    [['-qp', '1'], { quiet: ['true'], port: ['1'] }],
    [['-qp1'], { quiet: ['true'], port: ['1'] }],
    [['--no-quiet'], { quiet: ['false'] }],
    [['--quiet=false'], { quiet: ['false'] }],
    [['-n', 'a', '-n', 'b,c'], { names: ['a', 'b,c'] }],
    [['-p', '1', '-p', '2'], { port: ['1', '2'] }],
    [['--url='], { url: [''] }],
    [['-u', '-'], { url: ['-'] }],
    [['-u', '--unknown'], { url: ['--unknown'] }],
    [['--url=-w'], { url: ['-w'] }],
    [[], {}],
  ])('reads %j', (words, expected) => {
    expect(given(...words)).toEqual(expected);
  });

  it.each([
    [['--nope'], 'CONCLAVE_FLAG_UNKNOWN: unknown flag "--nope"'],
    [['--nope=secret'], 'CONCLAVE_FLAG_UNKNOWN: unknown flag "--nope"'],
    [['-z'], 'CONCLAVE_FLAG_UNKNOWN: unknown flag "-z"'],
    [['-qz'], 'CONCLAVE_FLAG_UNKNOWN: unknown flag "-z"'],
    [['--constructor'], 'CONCLAVE_FLAG_UNKNOWN: unknown flag "--constructor"'],
    [['--no-port'], 'CONCLAVE_FLAG_UNKNOWN: unknown flag "--no-port"'],
    [['--'], 'CONCLAVE_FLAG_UNKNOWN: unknown flag "--"'],
    [['-p'], 'CONCLAVE_FLAG_VALUE_MISSING: -p (--port) needs a value'],
    [['--port'], 'CONCLAVE_FLAG_VALUE_MISSING: -p (--port) needs a value'],
    [['-u', '-w', '2'], 'CONCLAVE_FLAG_VALUE_MISSING: -u (--url) needs a value'],
    [['-u', '--port=1'], 'CONCLAVE_FLAG_VALUE_MISSING: -u (--url) needs a value'],
    [['--quiet=maybe'], 'CONCLAVE_FLAG_VALUE_UNEXPECTED: -q (--quiet) takes no value'],
    [['--no-quiet=true'], 'CONCLAVE_FLAG_VALUE_UNEXPECTED: -q (--quiet) takes no value'],
    [['stray'], 'CONCLAVE_ARGUMENT_UNEXPECTED: unexpected argument "stray"'],
    [['-q', 'stray\u001b[0m'], 'CONCLAVE_ARGUMENT_UNEXPECTED: unexpected argument "stray?[0m"'],
  ])('refuses %j', (words, expected) => {
    expect(problem(...words)).toBe(expected);
  });

  it.each([['--help'], ['-h']])('hears %s before anything else is judged', (word) => {
    expect(parseCommandLine(['-q', word, '--nope'], options).help).toBe(true);
  });

  it('does not depend on the order of flags', () => {
    const flags = [['-p', '1'], ['-w', '2'], ['-q'], ['--url', 'u'], ['-n', 'x']];
    fc.assert(
      fc.property(fc.shuffledSubarray(flags, { minLength: flags.length }), (shuffled) => {
        expect(given(...shuffled.flat())).toEqual(given(...flags.flat()));
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  it('throws nothing but its own errors, whatever the words', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
        problem(...words);
      }),
      { seed: 2 },
    );
  });
});
