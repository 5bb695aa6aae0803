import { FormatError } from '@conclave/bytes';
import { describe, expect, test } from 'vitest';
import { isBlacklisted, offersSimulcast, parseBlacklist, parseToolVersion } from './index.ts';

test.each([
  ['10.1.23', 10, 1, 23],
  ['10.1', 10, 1, -1],
  ['10', 10, 0, -1],
  ['10.1.local', 10, 1, 999],
  ['local', 999, 0, -1],
  ['LOCAL', 999, 0, -1],
  ['0.0.1', 0, 0, 1],
  [' 9.9.9 ', 9, 9, 9],
  ['9.9.9-rc1', 9, 9, 9],
  ['9.9.9.9', 9, 9, 9],
  ['', 0, 0, -1],
  ['avs', 0, 0, -1],
  ['-1.-2.-3', 0, 0, -1],
  ['1e3.0x10.5', 1, 0, 5],
  ['99999999999999999999', 999_999_999, 0, -1],
])('%j is version %d.%d.%d', (text, major, minor, build) => {
  expect(parseToolVersion(text)).toEqual({ major, minor, build });
});

describe('the blacklist', () => {
  test.each([
    ['<9.0.0', '8.9.9', true],
    ['<9.0.0', '9.0.0', false],
    ['<9.0.0', '9.0.1', false],
    ['<9.0.0', '9.0', true],
    ['<9.0.0', '10.0.0', false],
    ['<9.0.0', '8.local', true],
    ['<9.0.0', 'local', false],
    ['<9.0.0', '0.0.1', false],
    ['<9.0.0', '', false],
    ['<9.0.0', '0.1.0', true],
    ['<10.1.5', '10.0.99', true],
    ['<10.1.5', '10.1.4', true],
    ['<10.1.5', '10.1.5', false],
    ['<10.1.5', '10.1.local', false],
    ['9.1.2', '9.1.2', true],
    ['9.1.2', '9.1.3', false],
    ['9.1.2', '9.1', false],
    ['9.1', '9.1', true],
    ['9.1.local', '9.1.local', true],
    ['0.0.5', '0.0.5', false],
    ['9.1.2,<8.0.0, 10.0.1', '7.9.9', true],
    ['9.1.2,<8.0.0, 10.0.1', '10.0.1', true],
    ['9.1.2,<8.0.0, 10.0.1', '9.0.0', false],
    ['', '1.0.0', false],
    [' , ', '1.0.0', false],
  ])('%j and version %j: %s', (list, version, expected) => {
    expect(isBlacklisted(parseBlacklist(list), parseToolVersion(version))).toBe(expected);
  });

  test.each(['9', '9.x', '<', '>9.0.0', '<=9.0.0', '9.0.0 10.0.0', '9.0.0.0', '*'])(
    '%j is a mistake',
    (list) => {
      expect(() => parseBlacklist(list)).toThrow(FormatError);
    },
  );
});

test.each([
  ['', true],
  ['0.0.1', true],
  ['0.9.9', true],
  ['1.0.0', false],
  ['9.9.9', false],
  ['10.0.0', true],
  ['10.5.8', true],
  ['local', true],
])('simulcast is offered to version %j: %s', (version, expected) => {
  expect(offersSimulcast(parseToolVersion(version))).toBe(expected);
});
