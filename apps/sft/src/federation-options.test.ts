import { loadOptions } from '@conclave/service';
import { expect, test } from 'vitest';
import { federationOf } from './federation-options.ts';
import { type SftOptionValues, sftOptions } from './sft-config-options.ts';

const WHOLE = [
  '-u',
  'https://sft.example.org',
  '-w',
  '2',
  '--federation-port',
  '9190',
  '--federation-cert',
  'c.pem',
  '--federation-key',
  'k.pem',
  '--federation-authority',
  'a.pem',
  '--federation-domain',
  'partner.example,another.example',
];

function read(words: readonly string[]): SftOptionValues {
  return loadOptions({ options: sftOptions, words, environment: {}, environmentPrefix: 'X_' })!.values;
}

/** The words without an option and its value. */
function without(option: string): string[] {
  const at = WHOLE.indexOf(option);
  return WHOLE.filter((_word, i) => i !== at && i !== at + 1);
}

test('conferences stay within the domain unless a port is named', () => {
  expect(federationOf(read([]))).toBeUndefined();
  expect(federationOf(read(without('--federation-port')))).toBeUndefined();
});

test('all that a federation needs is taken up', () => {
  expect(federationOf(read([...WHOLE, '--federation-allow-address', '10.1.0.0/16']))).toEqual({
    port: 9190,
    files: { certificatePath: 'c.pem', keyPath: 'k.pem', authorityPath: 'a.pem' },
    domains: ['partner.example', 'another.example'],
    allowedAddresses: ['10.1.0.0/16'],
  });
});

test.each([
  ['--federation-cert', /needs --federation-cert/],
  ['--federation-key', /needs --federation-cert, --federation-key/],
  ['--federation-authority', /--federation-authority/],
  ['--federation-domain', /needs --federation-domain/],
  ['-u', /needs -u/],
])('without %s it is refused', (option, message) => {
  expect(() => federationOf(read(without(option)))).toThrow(message);
});

test.each(['Example.org', 'example', '-a.example', 'a..example', 'https://a.example', '*.a.example'])(
  '%s is no domain',
  (domain) => {
    expect(() => read([...without('--federation-domain'), `--federation-domain=${domain}`])).toThrow(
      /a list of domains/,
    );
  },
);

test('ports beyond the last one are refused', () => {
  const words = without('--federation-port');
  expect(() => federationOf(read([...words, '--federation-port', '65535']))).toThrow(/beyond port 65535/);
  expect(() => read([...words, '--federation-port', '70000'])).toThrow(/a port from 0 to 65535/);
});
