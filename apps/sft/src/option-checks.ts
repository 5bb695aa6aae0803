import { ConclaveError } from '@conclave/service';

/** What is wrong with the text of a port, 0 letting the system choose; undefined when nothing is. */
export function acceptPort(text: string): string | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? undefined : 'a port from 0 to 65535';
}

/** An error about settings that do not go together. */
export function conflict(message: string): ConclaveError {
  return new ConclaveError('CONCLAVE_OPTIONS_CONFLICT', message);
}

/** What is wrong with the text as a server's URL; undefined when it is one. */
export function acceptServerUrl(text: string): string | undefined {
  const wanted = 'an http or https URL without user, query and fragment';
  try {
    const url = new URL(text);
    const web = url.protocol === 'http:' || url.protocol === 'https:';
    const plain = url.username === '' && url.password === '' && !/[?#]/.test(text);
    return web && plain && text.length <= 1000 ? undefined : wanted;
  } catch {
    return wanted;
  }
}
