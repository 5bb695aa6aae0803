import { X509Certificate } from 'node:crypto';
import { CertificateAuthority, type IssuedCertificate, keyUsage } from '@conclave/testkit';
import { beforeAll, expect, test } from 'vitest';
import { type DtlsIdentity, generateDtlsIdentity, loadDtlsIdentity } from '../src/index.ts';
import { closedReasonOf, connectedOf, dataOf, handshake, makeEnd, pump } from './dtls-pair.ts';

const utf8 = new TextEncoder();
let authority: CertificateAuthority;
let stranger: CertificateAuthority;
let alpha: DtlsIdentity;
let beta: DtlsIdentity;

function load(issued: IssuedCertificate, trusted: CertificateAuthority = authority): DtlsIdentity {
  return loadDtlsIdentity({
    certificatePem: utf8.encode(issued.certificatePem),
    keyPem: utf8.encode(issued.keyPem),
    authorityPem: utf8.encode(trusted.certificatePem),
  });
}

beforeAll(async () => {
  authority = await CertificateAuthority.create('federation');
  stranger = await CertificateAuthority.create('elsewhere');
  alpha = load(await authority.issue(['alpha.example']));
  beta = load(await authority.issue(['beta.example', '*.beta.example']));
});

test('two servers of one authority connect, and each sees for whom the other is certified', () => {
  const server = makeEnd('server', { identity: alpha });
  const client = makeEnd('client', { identity: beta });
  handshake(server, client);
  const seen = new X509Certificate(connectedOf(server)!.peerCertificateDer);
  expect(seen.checkHost('sft.beta.example')).toBeDefined();
  expect(seen.checkHost('alpha.example')).toBeUndefined();
  expect(
    new X509Certificate(connectedOf(client)!.peerCertificateDer).checkHost('alpha.example'),
  ).toBeDefined();
  expect(connectedOf(client)!.srtpKeys).toBeDefined();
  client.session.send(utf8.encode('hello'));
  pump(server, client);
  expect(dataOf(server)).toHaveLength(1);
});

test.each([
  ['of another authority', () => stranger.issue(['beta.example'])],
  ['that is not valid any more', () => authority.issue(['beta.example'], span(-30, -1))],
  ['that is not valid yet', () => authority.issue(['beta.example'], span(1, 30))],
  ['that is not for servers', () => authority.issue(['beta.example'], { usages: [keyUsage.clientAuth] })],
])('a certificate %s is refused, whichever side shows it', async (_what, issue) => {
  const wrong = load(await issue());
  for (const role of ['server', 'client'] as const) {
    const other = role === 'server' ? 'client' : 'server';
    const good = makeEnd(role, { identity: alpha });
    const bad = makeEnd(other, { identity: wrong });
    handshake(role === 'server' ? good : bad, role === 'server' ? bad : good);
    expect(connectedOf(good)).toBeUndefined();
    expect(closedReasonOf(good)).toMatch(/certificate/);
  }
});

test('a certificate that a peer made itself is refused', () => {
  const server = makeEnd('server', { identity: alpha });
  const client = makeEnd('client', { identity: generateDtlsIdentity() });
  handshake(server, client);
  expect(connectedOf(server)).toBeUndefined();
});

test('files that do not fit together are refused with a sentence that says which', async () => {
  const issued = await authority.issue(['alpha.example']);
  const other = await authority.issue(['alpha.example']);
  expect(() => load({ ...issued, certificatePem: 'nothing' })).toThrow(/certificate file/);
  expect(() => load({ ...issued, keyPem: '' })).toThrow(/key file/);
  expect(() => load({ ...issued, keyPem: other.keyPem })).toThrow(/not that of the certificate/);
  expect(() =>
    loadDtlsIdentity({
      certificatePem: utf8.encode(issued.certificatePem),
      keyPem: utf8.encode(issued.keyPem),
      authorityPem: utf8.encode('no authority'),
    }),
  ).toThrow(/authorities/);
});

function span(fromDays: number, toDays: number): { notBefore: Date; notAfter: Date } {
  const at = (days: number) => new Date(Date.now() + days * 86_400_000);
  return { notBefore: at(fromDays), notAfter: at(toDays) };
}
