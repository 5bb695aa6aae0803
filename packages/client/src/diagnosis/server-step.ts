import type { DiagnosisFinding } from './diagnosis.ts';
import type { DiagnosisPlatform } from './diagnosis-platform.ts';
import type { StepContext, StepOutcome } from './diagnosis-step.ts';

/** Longer than three attempts of a system to connect on a poor network. */
const REQUEST_MS = 10_000;
/** A port that refuses does so within a round trip or two; browsers take up to half a second to say so. */
const REFUSAL_MS = 3000;

/** Whether the server answers, and if not, why, as far as a browser can tell. */
export async function testServer(context: StepContext): Promise<StepOutcome> {
  const { platform, server, signal } = context;
  const url = parseServerUrl(server);
  if (!url) return { finding: 'server-url-wrong' };
  const local = /^(localhost|.*\.localhost|127\..*|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'http:' && !local && platform.pageOrigin.startsWith('https:'))
    return { finding: 'server-insecure' };

  const startedAt = platform.now();
  const first = await request(platform, `${server}/sft/url`, {}, signal);
  const durationMs = Math.round(platform.now() - startedAt);
  if (first.kind === 'answered') {
    const announced = first.status === 200 && /^https?:\/\//.test(first.text);
    const details = { status: first.status, durationMs };
    return { finding: announced ? 'server-reachable' : 'server-foreign', details };
  }
  if (first.kind === 'timeout') return { finding: 'server-timeout', details: { durationMs } };

  // Without rules for foreign pages the browser hides the answer; it still shows that there was one.
  const opaque = await request(platform, `${server}/sft/url`, { mode: 'no-cors' }, signal);
  if (opaque.kind === 'answered') return { finding: 'server-cors', details: { durationMs } };
  return { finding: await whyNot(platform, url, signal), details: { durationMs } };
}

/** The URL if it is one of a server. */
function parseServerUrl(text: string): URL | undefined {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
  } catch {
    return undefined;
  }
}

type Answer =
  | { readonly kind: 'answered'; readonly status: number; readonly text: string }
  | { readonly kind: 'failed' | 'timeout' };

async function request(
  platform: DiagnosisPlatform,
  url: string,
  init: RequestInit,
  signal: AbortSignal,
): Promise<Answer> {
  const limit = new AbortController();
  const end = new AbortController();
  const stop = AbortSignal.any([signal, end.signal]);
  void platform.wait(REQUEST_MS, stop).then(() => {
    if (!end.signal.aborted) limit.abort();
  });
  try {
    const response = await platform.fetch(url, {
      ...init,
      cache: 'no-store',
      credentials: 'omit',
      signal: limit.signal,
    });
    return { kind: 'answered', status: response.status, text: (await response.text()).slice(0, 2000) };
  } catch {
    return { kind: limit.signal.aborted ? 'timeout' : 'failed' };
  } finally {
    end.abort();
  }
}

/**
 * Browsers give a page one and the same error for a certificate they refuse and for a port where nobody is. But they
 * tell it when a TURN server's port refuses a plain TCP connection: so the server's port is tried as if it were one. If
 * that is not refused, the port is open, and what failed is TLS.
 */
async function whyNot(platform: DiagnosisPlatform, url: URL, signal: AbortSignal): Promise<DiagnosisFinding> {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const connection = platform.createConnection({
    iceServers: [{ urls: `turn:${url.hostname}:${port}?transport=tcp`, username: '-', credential: '-' }],
  });
  try {
    const refused = new Promise<true>((resolve) => {
      connection.onicecandidateerror = () => resolve(true);
    });
    connection.createDataChannel('-');
    await connection.setLocalDescription();
    const isRefused = await Promise.race([
      refused,
      platform.wait(REFUSAL_MS, signal).then((): false => false),
    ]);
    if (isRefused) return 'server-refused';
    return url.protocol === 'https:' ? 'server-certificate' : 'server-unreachable';
  } catch {
    return 'server-unreachable';
  } finally {
    connection.close();
  }
}
