import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { quote } from './command-line.ts';
import { ConclaveError, causeOf } from './error-registry.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The certificate, then its intermediates. */
  readonly certificatePath: string;
  readonly keyPath: string;
}

/** What Node's TLS server takes. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: 'TLSv1.2';
}

/**
 * Certificate and key from files, checked to belong together. Throws {@link ConclaveError} otherwise; messages
 * name the files and show nothing of what is in them.
 */
export function readTlsFiles(files: TlsFiles): TlsMaterial {
  const material: TlsMaterial = {
    cert: readPem(files.certificatePath, 'certificate'),
    key: readPem(files.keyPath, 'private key'),
    minVersion: 'TLSv1.2',
  };
  try {
    createSecureContext(material);
  } catch (cause) {
    throw new ConclaveError(
      'CONCLAVE_TLS_INVALID',
      `the certificate ${quote(files.certificatePath)} and the private key ${quote(files.keyPath)} cannot be used (${causeOf(cause)})`,
    );
  }
  return material;
}

/** The bytes of a PEM file; `what` names it in the message of the {@link ConclaveError} when it cannot be read. */
export function readPem(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ConclaveError(
      'CONCLAVE_TLS_UNREADABLE',
      `cannot read the ${what} ${quote(path)} (${causeOf(cause)})`,
    );
  }
}
