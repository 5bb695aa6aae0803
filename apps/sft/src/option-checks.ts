import { ConclaveError } from '@conclave/service';

/** What is wrong with the text of a port, 0 letting the system choose; undefined when nothing is. */
export function acceptPort(text: string): string | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? undefined : 'a port from 0 to 65535';
}

/** An error about settings that do not go together. */
export function conflict(message: string): ConclaveError {
  return new ConclaveError('CONCLAVE_OPTIONS_CONFLICT', message);
}
