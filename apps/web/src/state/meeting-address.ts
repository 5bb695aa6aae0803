import {
  createMeetingSecret,
  formatMeetingFragment,
  type MeetingLink,
  parseMeetingLink,
} from '@conclave/client';

/** Why a text is no meeting link. `version`: of a newer page than this one. */
export type LinkFault = 'empty' | 'no-link' | 'version' | 'damaged';

/** What was read from a text. */
export type ReadLink =
  | { readonly link: MeetingLink; readonly fault?: undefined }
  | { readonly link?: undefined; readonly fault: LinkFault };

/** A meeting that nobody else knows of yet. `server` is needed when another host serves the page. */
export function createMeetingLink(passphrase: boolean, server: string | undefined): MeetingLink {
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  return { secret: createMeetingSecret(random), passphrase, ...(server === undefined ? {} : { server }) };
}

/** The address to send to others: that of this page, and the link behind `#`, which browsers keep to themselves. */
export function meetingUrl(pageUrl: string, link: MeetingLink): string {
  const url = new URL(pageUrl);
  return `${url.origin}${url.pathname}${formatMeetingFragment(link)}`;
}

/**
 * Reads a link that somebody pasted. One of another page whose server it does not name is of that page's server.
 * Never throws.
 */
export function readMeetingText(text: string, pageUrl: string): ReadLink {
  const trimmed = text.trim();
  if (trimmed === '') return { fault: 'empty' };
  try {
    const link = parseMeetingLink(trimmed);
    const origin = originOf(trimmed);
    const foreign = origin !== undefined && origin !== new URL(pageUrl).origin;
    return { link: foreign && link.server === undefined ? { ...link, server: origin } : link };
  } catch (error) {
    return { fault: faultOf((error as { readonly code?: unknown }).code) };
  }
}

function originOf(text: string): string | undefined {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.origin : undefined;
  } catch {
    return undefined;
  }
}

function faultOf(code: unknown): LinkFault {
  if (code === 'missing-fragment' || code === 'missing-version') return 'no-link';
  if (code === 'unsupported-version') return 'version';
  return 'damaged';
}
