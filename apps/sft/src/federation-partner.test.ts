import { X509Certificate } from 'node:crypto';
import { CertificateAuthority } from '@conclave/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { FederationPartners, formatLinkTuple, hostOfUrl, parseLinkTuple } from './federation-partner.ts';

describe('a tuple', () => {
  test.each([
    ['192.0.2.1:9190', { address: '192.0.2.1', port: 9190 }],
    ['[2001:db8::1]:1', { address: '2001:db8::1', port: 1 }],
    ['[2001:DB8:0::1]:65535', { address: '2001:db8::1', port: 65_535 }],
  ])('%s is read', (text, tuple) => {
    expect(parseLinkTuple(text)).toEqual(tuple);
  });

  test.each([
    '',
    '192.0.2.1',
    '192.0.2.1:',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    '192.0.2.1:9191/16641',
    '192.0.2.256:1',
    '192.0.2:1',
    '0x7f.0.0.1:1',
    '2001:db8::1:9190',
    '[192.0.2.1]:x',
    '[fe80::1%eth0]:9190',
    'localhost:9190',
    ' 192.0.2.1:9190',
    '192.0.2.1:9190\n',
  ])('%j is none', (text) => {
    expect(parseLinkTuple(text)).toBeUndefined();
  });

  test('is written as it is read', () => {
    for (const text of ['192.0.2.1:9190', '[2001:db8::1]:9190'])
      expect(formatLinkTuple(parseLinkTuple(text)!)).toBe(text);
  });
});

test.each([
  ['https://sft.example.org', 'sft.example.org'],
  ['https://SFT.Example.org:8443/sft/x', 'sft.example.org'],
  ['http://192.0.2.1:8585', '192.0.2.1'],
  ['ftp://sft.example.org', undefined],
  ['javascript:alert(1)', undefined],
  ['//sft.example.org', undefined],
  ['sft.example.org', undefined],
  [`https://${'a.'.repeat(130)}example`, undefined],
])('the host of %s is %s', (url, host) => {
  expect(hostOfUrl(url)).toBe(host);
});

describe('a partner', () => {
  const partners = new FederationPartners(['example.org', 'partner.example']);
  const certificates = new Map<string, Uint8Array>();

  beforeAll(async () => {
    const authority = await CertificateAuthority.create('authority');
    for (const names of ['sft.example.org', '*.partner.example', 'sft.evil.example', 'evil-example.org']) {
      const { certificatePem } = await authority.issue(names.split(','));
      certificates.set(names, new X509Certificate(certificatePem).raw);
    }
  });

  test.each([
    ['example.org', true],
    ['sft.example.org', true],
    ['a.b.partner.example', true],
    ['evil-example.org', false],
    ['example.org.evil.example', false],
    ['org', false],
    ['', false],
  ])('may be at %s: %s', (host, permitted) => {
    expect(partners.permits(host)).toBe(permitted);
  });

  test.each([
    ['sft.example.org', 'sft.example.org', undefined],
    ['*.partner.example', 'sft.partner.example', undefined],
    ['*.partner.example', 'a.b.partner.example', 'its certificate is for another host'],
    ['sft.example.org', 'other.example.org', 'its certificate is for another host'],
    ['sft.evil.example', 'sft.evil.example', 'its domain is not on the list of partners'],
  ])('with a certificate for %s as %s: %s', (names, host, objection) => {
    expect(partners.objectionToHost(certificates.get(names)!, host)).toBe(objection);
  });

  test.each([
    ['sft.example.org', true],
    ['*.partner.example', true],
    ['sft.evil.example', false],
    ['evil-example.org', false],
  ])('that connects with a certificate for %s is taken: %s', (names, taken) => {
    expect(partners.objectionToAny(certificates.get(names)!) === undefined).toBe(taken);
  });
});
