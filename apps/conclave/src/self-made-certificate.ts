import 'reflect-metadata';
import { createPrivateKey, KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { ConclaveError, causeOf, quote, type TlsFiles } from '@conclave/service';
import * as x509 from '@peculiar/x509';

/** Names and addresses that a certificate is for, and where it is kept. */
export interface SelfMadeCertificateOptions {
  /** Folder for certificate and key; made when absent, closed to other users. */
  readonly folder: string;
  /** Host names and IP addresses, at least one; the first also is the certificate's common name. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** A certificate that no authority vouches for. */
export interface SelfMadeCertificate extends TlsFiles {
  /** SHA-256 over the certificate, as browsers show it: `AB:CD:...`. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
  /** Whether it was made by this call. */
  readonly fresh: boolean;
}

const DAY_MS = 86_400_000;
/** Shorter shows the browser's warning again sooner, longer is refused by some systems (825 days and more). */
const VALIDITY_DAYS = 365;
/** Renewed this long before its end, so that nobody meets an expired one. */
const RENEWAL_DAYS = 30;
/** Clocks of phones lag. */
const BACKDATED_MS = DAY_MS;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/**
 * The certificate kept in a folder if it still serves: for exactly these names, valid for 30 days or more, and with its
 * key. Otherwise a new one with a new key, for 365 days, which takes its place. The files are readable for their owner
 * alone. Rejects with {@link ConclaveError} `CONCLAVE_STATE_UNWRITABLE` when the folder cannot be used.
 */
export async function ensureSelfMadeCertificate(
  options: SelfMadeCertificateOptions,
): Promise<SelfMadeCertificate> {
  const { folder, names, nowMs } = options;
  const certificatePath = join(folder, 'certificate.pem');
  const keyPath = join(folder, 'key.pem');
  const kept = readKept(certificatePath, keyPath);
  if (kept && serves(kept, names, nowMs))
    return { ...describe(kept), certificatePath, keyPath, fresh: false };

  const made = await make(names, nowMs);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    replaceFile(keyPath, made.key);
    replaceFile(certificatePath, made.certificate);
  } catch (cause) {
    throw new ConclaveError(
      'CONCLAVE_STATE_UNWRITABLE',
      `cannot write the certificate into ${quote(folder)} (${causeOf(cause)})`,
      { cause },
    );
  }
  return { ...describe(new X509Certificate(made.certificate)), certificatePath, keyPath, fresh: true };
}

function readKept(certificatePath: string, keyPath: string): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(readFileSync(certificatePath));
    return certificate.checkPrivateKey(createPrivateKey(readFileSync(keyPath))) ? certificate : undefined;
  } catch {
    // Absent or damaged, in part or both: either way a new pair is due.
    return undefined;
  }
}

function serves(certificate: X509Certificate, names: readonly string[], nowMs: number): boolean {
  const { expiresAtMs } = describe(certificate);
  if (nowMs < Date.parse(certificate.validFrom) || nowMs > expiresAtMs - RENEWAL_DAYS * DAY_MS) return false;
  const count = certificate.subjectAltName?.split(', ').length ?? 0;
  return (
    count === names.length &&
    names.every(
      (name) => (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined,
    )
  );
}

function describe(certificate: X509Certificate): { fingerprint: string; expiresAtMs: number } {
  return { fingerprint: certificate.fingerprint256, expiresAtMs: Date.parse(certificate.validTo) };
}

async function make(names: readonly string[], nowMs: number): Promise<{ certificate: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: randomBytes(16).toString('hex'),
      name: [{ CN: [names[0]!] }],
      notBefore: new Date(nowMs - BACKDATED_MS),
      notAfter: new Date(nowMs + VALIDITY_DAYS * DAY_MS),
      signingAlgorithm: ALGORITHM,
      // The platform's own types of both, which only a browser's type library names.
      keys: keys as never,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((name) => ({ type: isIP(name) ? 'ip' : 'dns', value: name })),
        ),
      ],
    },
    webcrypto as never,
  );
  const key = KeyObject.from(keys.privateKey as never).export({ type: 'pkcs8', format: 'pem' });
  return { certificate: certificate.toString('pem'), key: key.toString() };
}

/** Never shows a reader half a file, nor a key with the rights of another time. */
function replaceFile(path: string, text: string): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600 });
  chmodSync(fresh, 0o600);
  renameSync(fresh, path);
}
