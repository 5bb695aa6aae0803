/** Answers with the STUN and TURN servers to use for a new connection. Never rejects. */
export type IceServerSource = () => Promise<readonly RTCIceServer[]>;

/** What {@link serverIceServers} takes from its surroundings; default the browser's. */
export interface IceServerSurroundings {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Longest time that a connection waits for an answer. Higher: joining is slower when the server does not answer. */
const ANSWER_MS = 2_000;
/** What is left of a credential's time must be enough to join and to make the connection anew soon after. */
const USED_SHARE = 0.5;
/** Bounds of what is taken from a server. */
const MAX_SERVERS = 8;
const MAX_URLS = 8;
const MAX_LENGTH = 1024;

/**
 * The STUN and TURN servers that a conference server names to its pages (`/config.json`). Asked once, and anew when half of
 * their credentials' time has passed; none when the server names none, does not know the question or does not answer.
 */
export function serverIceServers(
  server: string,
  surroundings: IceServerSurroundings = {
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
  },
): IceServerSource {
  let known: { readonly servers: Promise<readonly RTCIceServer[]>; until: number } | undefined;
  return () => {
    if (known && surroundings.now() < known.until) return known.servers;
    const asked = ask(server, surroundings);
    const entry = { servers: asked.then(({ servers }) => servers), until: Number.POSITIVE_INFINITY };
    known = entry;
    void asked.then(({ validForMs }) => {
      entry.until = surroundings.now() + validForMs * USED_SHARE;
    });
    return entry.servers;
  };
}

interface Answer {
  readonly servers: readonly RTCIceServer[];
  readonly validForMs: number;
}

async function ask(server: string, { fetch }: IceServerSurroundings): Promise<Answer> {
  try {
    const response = await fetch(`${server.replace(/\/+$/, '')}/config.json`, {
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (!response.ok) return NONE;
    return parseIceServers(await response.text());
  } catch {
    return NONE;
  }
}

/** Without an answer the next connection asks again. */
const NONE: Answer = { servers: [], validForMs: 0 };

/** Reads what a server says; everything else than it should say counts as nothing. */
function parseIceServers(text: string): Answer {
  const value = JSON.parse(text) as { iceServers?: unknown; validForSeconds?: unknown } | null;
  if (!Array.isArray(value?.iceServers)) return NONE;
  const seconds = Number(value.validForSeconds);
  return {
    servers: value.iceServers.slice(0, MAX_SERVERS).flatMap(toIceServer),
    validForMs: seconds > 0 ? Math.min(seconds, 86_400) * 1000 : 0,
  };
}

function toIceServer(value: unknown): RTCIceServer[] {
  const { urls, username, credential } = (value ?? {}) as Record<string, unknown>;
  const list = (Array.isArray(urls) ? urls : [urls]).slice(0, MAX_URLS).filter(isUrl);
  if (list.length === 0) return [];
  if (list.every((url) => url.startsWith('stun'))) return [{ urls: list }];
  return isText(username) && isText(credential) ? [{ urls: list, username, credential }] : [];
}

function isUrl(value: unknown): value is string {
  return isText(value) && /^(stuns?|turns?):[^/\s]+$/.test(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_LENGTH;
}
