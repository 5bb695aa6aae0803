import { readFileSync } from 'node:fs';
import { type DtlsIdentity, loadDtlsIdentity } from '@conclave/forwarder';
import { ConclaveError, causeOf } from '@conclave/service';
import type { FederationFiles } from './sft-config.ts';

/**
 * What this server shows to servers of other domains, and whom it believes. Throws {@link ConclaveError}
 * `CONCLAVE_TLS_UNREADABLE` or `CONCLAVE_TLS_INVALID`; messages name the files and show nothing of what is in them.
 */
export function loadFederationIdentity(files: FederationFiles): DtlsIdentity {
  const certificatePem = read(files.certificatePath, 'certificate');
  const keyPem = read(files.keyPath, 'private key');
  const authorityPem = read(files.authorityPath, 'authorities');
  try {
    return loadDtlsIdentity({ certificatePem, keyPem, authorityPem });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : causeOf(cause);
    throw new ConclaveError(
      'CONCLAVE_TLS_INVALID',
      `the files of --federation-cert, --federation-key and --federation-authority cannot be used: ${reason}`,
    );
  }
}

function read(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ConclaveError(
      'CONCLAVE_TLS_UNREADABLE',
      `cannot read the ${what} "${path}" (${causeOf(cause)})`,
    );
  }
}
