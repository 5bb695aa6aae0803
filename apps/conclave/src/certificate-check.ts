import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ConclaveError, readTlsFiles, type TlsFiles } from '@conclave/service';
import type { Finding } from './doctor-finding.ts';

const DAY_MS = 86_400_000;
/** Authorities that renew by themselves do so 30 days before the end: less than this, and it has failed twice. */
const LAST_DAYS = 14;

/** Checks certificate and key files for a domain: readable, a pair, in date, for the name, complete, and private. */
export function checkCertificate(files: TlsFiles, domain: string, nowMs: number): readonly Finding[] {
  try {
    readTlsFiles(files);
  } catch (error) {
    if (!(error instanceof ConclaveError)) throw error;
    return [
      {
        id: 'certificate-unusable',
        severity: 'problem',
        text: `${error.message}.`,
        remedy: 'Give PEM files: the certificate with its intermediates after it, and its own key.',
      },
    ];
  }
  const pem = readFileSync(files.certificatePath, 'utf8');
  const certificate = new X509Certificate(pem);
  const findings = [
    ...checkDates(certificate, nowMs),
    ...checkName(certificate, domain),
    ...checkChain(certificate, pem),
    ...checkKeyRights(files.keyPath),
  ];
  if (findings.length > 0) return findings;
  const days = Math.floor((Date.parse(certificate.validTo) - nowMs) / DAY_MS);
  return [
    {
      id: 'certificate',
      severity: 'well',
      text: `The certificate is for ${domain} and valid for ${days} days.`,
    },
  ];
}

function checkDates(certificate: X509Certificate, nowMs: number): Finding[] {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (nowMs < from)
    return [
      {
        id: 'certificate-early',
        severity: 'problem',
        text: `The certificate is not valid before ${certificate.validFrom}.`,
        remedy: 'Check the clock of this machine (`timedatectl`).',
      },
    ];
  const renew = 'Renew it; `conclave up` takes up new files by itself.';
  if (nowMs > to)
    return [
      {
        id: 'certificate-expired',
        severity: 'problem',
        text: `The certificate expired on ${certificate.validTo}.`,
        remedy: renew,
      },
    ];
  if (to - nowMs > LAST_DAYS * DAY_MS) return [];
  const days = Math.floor((to - nowMs) / DAY_MS);
  return [
    {
      id: 'certificate-ending',
      severity: 'warning',
      text: `The certificate expires in ${days} days.`,
      remedy: renew,
    },
  ];
}

function checkName(certificate: X509Certificate, domain: string): Finding[] {
  if (certificate.checkHost(domain) !== undefined) return [];
  const names = (certificate.subjectAltName ?? 'no name').replaceAll(/(DNS|IP Address):/g, '');
  return [
    {
      id: 'certificate-name',
      severity: 'problem',
      text: `The certificate is for ${names}, not for ${domain}.`,
      remedy: `Get one for ${domain}, or set the domain to the name that it is for.`,
    },
  ];
}

function checkChain(certificate: X509Certificate, pem: string): Finding[] {
  if (certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey))
    return [
      {
        id: 'certificate-self-made',
        severity: 'warning',
        text: 'The certificate vouches for itself, so every browser will warn of it.',
        remedy: 'Get one from an authority that browsers know, for example by Let’s Encrypt.',
      },
    ];
  if (pem.split('-----BEGIN CERTIFICATE-----').length > 2) return [];
  return [
    {
      id: 'certificate-chain',
      severity: 'warning',
      text: 'The certificate file holds no intermediate certificate, without which phones often refuse it.',
      remedy: 'Give the file with the whole chain (`fullchain.pem` with Let’s Encrypt).',
    },
  ];
}

function checkKeyRights(path: string): Finding[] {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o007) === 0) return [];
  return [
    {
      id: 'key-rights',
      severity: 'warning',
      text: `Every user of this machine may read the private key ${path}.`,
      remedy: `chmod o-rwx ${path}`,
    },
  ];
}
