import { describe, expect, test } from 'vitest';
import { isServerUrl, signallingUrl } from './offer-request.ts';

describe('addresses of servers', () => {
  test.each([
    'https://sft.example',
    'https://sft.example/',
    'http://127.0.0.1:8585',
    'https://[2001:db8::1]:8443/sfts/sftd-0',
    'HTTPS://SFT.EXAMPLE',
  ])('%s is one', (url) => expect(isServerUrl(url)).toBe(true));

  test.each([
    '',
    'sft.example',
    '//sft.example',
    'ftp://sft.example',
    'javascript:alert(1)',
    'https://',
    'https://user:secret@sft.example',
    'https://sft.example/?x',
    'https://sft.example/#x',
    'https://sft.example\\@evil.example',
    'https://sft.example/a b',
    'https://sft.example/\nhttps://evil.example',
  ])('%j is none', (url) => expect(isServerUrl(url)).toBe(false));

  test('requests go below the server, with or without a slash, and never leave it', () => {
    expect(signallingUrl('https://a.example', 'c')).toBe('https://a.example/sft/c');
    expect(signallingUrl('https://a.example/sfts/1/', 'c')).toBe('https://a.example/sfts/1/sft/c');
    expect(signallingUrl('https://a.example', '../x?y#z')).toBe('https://a.example/sft/..%2Fx%3Fy%23z');
  });
});
