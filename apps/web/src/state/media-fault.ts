/**
 * Why a microphone or camera cannot be used. `denied`: the person or the system said no; `busy`: another program has
 * it; `absent`: there is none; `insecure`: browsers give none to pages without HTTPS; `lost`: it was unplugged.
 */
export type MediaFault = 'denied' | 'busy' | 'absent' | 'insecure' | 'lost' | 'failed';

/** What an error of `getUserMedia` means. */
export function faultOfError(error: unknown): MediaFault {
  switch ((error as { readonly name?: unknown } | null)?.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'absent';
    default:
      return 'failed';
  }
}
