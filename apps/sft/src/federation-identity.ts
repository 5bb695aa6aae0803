import { type DtlsIdentity, loadDtlsIdentity } from '@conclave/forwarder';
import { ConclaveError, causeOf, readPem } from '@conclave/service';
import type { FederationFiles } from './sft-config.ts';

/**
 * What this server shows to servers of other domains, and whom it believes. Throws {@link ConclaveError}
 * `CONCLAVE_TLS_UNREADABLE` or `CONCLAVE_TLS_INVALID`; messages name the files and show nothing of what is in them.
 */
export function loadFederationIdentity(files: FederationFiles): DtlsIdentity {
  const certificatePem = readPem(files.certificatePath, 'certificate');
  const keyPem = readPem(files.keyPath, 'private key');
  const authorityPem = readPem(files.authorityPath, 'authorities');
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
