// The library's dependency injection needs this first.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** A certificate and its key as PEM text. */
export interface IssuedCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** What a certificate is made like; everything has a default. */
export interface CertificateWishes {
  /** Default: from yesterday for a month. */
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Extended key usages by OID. Default: server and client authentication. */
  readonly usages?: readonly string[];
}

/** Extended key usages (RFC 5280 §4.2.1.12). */
export const keyUsage = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const;

/** An authority that issues certificates for domain names, for tests of mutual authentication. */
export class CertificateAuthority {
  /** Its own certificate. */
  readonly certificatePem: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #name: string;
  #serial = 1;

  private constructor(name: string, keys: webcrypto.CryptoKeyPair, certificatePem: string) {
    this.#name = name;
    this.#keys = keys;
    this.certificatePem = certificatePem;
  }

  /** A new authority. */
  static async create(name: string): Promise<CertificateAuthority> {
    x509.cryptoProvider.set(webcrypto);
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 365 * DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 1, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new CertificateAuthority(name, keys, certificate.toString('pem'));
  }

  /** A certificate for these domain names. */
  async issue(domains: readonly string[], wishes: CertificateWishes = {}): Promise<IssuedCertificate> {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: (++this.#serial).toString(16).padStart(2, '0'),
      subject: `CN=${domains[0] ?? 'nobody'}`,
      issuer: `CN=${this.#name}`,
      notBefore: wishes.notBefore ?? new Date(Date.now() - DAY_MS),
      notAfter: wishes.notAfter ?? new Date(Date.now() + 30 * DAY_MS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.ExtendedKeyUsageExtension([
          ...(wishes.usages ?? [keyUsage.serverAuth, keyUsage.clientAuth]),
        ]),
        new x509.SubjectAlternativeNameExtension(domains.map((value) => ({ type: 'dns' as const, value }))),
      ],
    });
    const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return {
      certificatePem: certificate.toString('pem'),
      keyPem: x509.PemConverter.encode(key, 'PRIVATE KEY'),
    };
  }
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}
