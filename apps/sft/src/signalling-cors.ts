/** Headers by name. */
type Headers = Readonly<Record<string, string>>;

/** What lets pages of other origins call a server (the Fetch standard's CORS protocol). */
export interface Cors {
  /** Headers for a reply to a request of this origin. */
  headers(origin: string | undefined): Headers;
  /** Whether a request only asks what may be asked. */
  isPreflight(method: string, headers: Readonly<Record<string, string | string[] | undefined>>): boolean;
  /** More headers for the reply to such a request. */
  readonly preflight: Headers;
}

const PREFLIGHT: Headers = {
  'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
  // `*` does not cover Authorization, which some clients send to every server they talk to.
  'access-control-allow-headers': 'Accept, Authorization, Content-Type, X-Requested-With',
  'access-control-max-age': '86400',
};

/**
 * The rules for a list of allowed origins; `*` in it allows any. Nothing here uses cookies, so that answering
 * any origin gives a page no more than a program outside a browser has.
 */
export function createCors(origins: readonly string[]): Cors {
  const any = origins.includes('*');
  const allowed = new Set(origins);
  return {
    headers: (origin) => {
      if (any) return { 'access-control-allow-origin': '*' };
      if (origin === undefined || !allowed.has(origin)) return { vary: 'Origin' };
      return { 'access-control-allow-origin': origin, vary: 'Origin' };
    },
    isPreflight: (method, headers) =>
      method === 'OPTIONS' &&
      headers.origin !== undefined &&
      headers['access-control-request-method'] !== undefined,
    preflight: PREFLIGHT,
  };
}
