import { describe, expect, it } from 'vitest';
import { diagnose } from './diagnose.ts';
import { type DiagnoseOptions, type DiagnosisReport, diagnosisStepIds } from './diagnosis.ts';
import type { DiagnosisPlatform } from './diagnosis-platform.ts';

/** A browser whose server is unreachable, with devices that work and are counted. */
class FakeBrowser implements DiagnosisPlatform {
  obstacle: DiagnosisPlatform['obstacle'] = undefined;
  readonly browser = 'Fake 1.0';
  readonly pageOrigin = 'https://page.example';
  deviceError: Error | undefined;
  peak: number | undefined = 0.5;
  answer: () => Promise<Response> = async () => Response.error();
  openTracks = 0;
  requests = 0;

  now(): number {
    return 0;
  }
  wallClock(): string {
    return '2030-01-01T00:00:00Z';
  }
  randomHex(bytes: number): string {
    return 'ab'.repeat(bytes);
  }
  async wait(_delayMs: number, signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  fetch(_url?: string): Promise<Response> {
    this.requests++;
    return this.answer();
  }
  async getUserMedia(): Promise<MediaStream> {
    if (this.deviceError) throw this.deviceError;
    this.openTracks++;
    const track = {
      stop: () => {
        this.openTracks--;
      },
    };
    return { getTracks: () => [track] } as unknown as MediaStream;
  }
  async listen(): Promise<number | undefined> {
    return this.peak;
  }
  async firstPicture(): Promise<{ width: number; height: number }> {
    return { width: 640, height: 480 };
  }
  createConnection(): RTCPeerConnection {
    throw new Error('no connections here');
  }
  createTone(): never {
    throw new Error('no tones here');
  }
}

async function run(browser: FakeBrowser, options: Partial<DiagnoseOptions> = {}): Promise<DiagnosisReport[]> {
  const reports: DiagnosisReport[] = [];
  for await (const report of diagnose({ server: 'https://sft.example/', ...options }, browser))
    reports.push(report);
  return reports;
}

function found(reports: readonly DiagnosisReport[], id: string): string | undefined {
  return reports.at(-1)?.steps.find((step) => step.id === id)?.finding;
}

const named = (name: string): Error => Object.assign(new Error('detail of a device'), { name });
const text =
  (body: string, status = 200) =>
  async () =>
    new Response(body, { status });

describe('a diagnosis', () => {
  it('reports every step from the first moment and ends with one verdict', async () => {
    const reports = await run(new FakeBrowser());
    expect(reports[0]?.steps.map(({ id }) => id)).toEqual(diagnosisStepIds);
    expect(reports[0]?.steps.every(({ state }) => state === 'waiting')).toBe(true);
    expect(reports.filter(({ verdict }) => verdict !== 'running')).toHaveLength(1);
    expect(reports.at(-1)?.verdict).toBe('bad');
  });

  it.each(['insecure-page', 'webrtc-missing'] as const)(
    'asks nothing of a browser with %s',
    async (obstacle) => {
      const browser = new FakeBrowser();
      browser.obstacle = obstacle;
      const reports = await run(browser);
      expect(found(reports, 'encryption')).toBe(obstacle);
      expect(reports.at(-1)?.steps.filter(({ state }) => state === 'skipped')).toHaveLength(8);
      expect(browser.requests).toBe(0);
    },
  );

  it.each([
    ['NotAllowedError', 'denied'],
    ['SecurityError', 'denied'],
    ['NotFoundError', 'absent'],
    ['OverconstrainedError', 'absent'],
    ['NotReadableError', 'busy'],
    ['TypeError', 'failed'],
  ])('takes a %s of a device for: %s', async (name, kind) => {
    const browser = new FakeBrowser();
    browser.deviceError = named(name);
    const reports = await run(browser);
    expect(found(reports, 'microphone')).toBe(`microphone-${kind}`);
    expect(found(reports, 'camera')).toBe(`camera-${kind}`);
    expect(reports.at(-1)?.summary).not.toContain('detail of a device');
  });

  it.each([
    [0, 'microphone-silent'],
    [0.001, 'microphone-works'],
    [undefined, 'microphone-works'],
  ])('hears a peak of %s and closes its devices', async (peak, finding) => {
    const browser = new FakeBrowser();
    browser.peak = peak;
    expect(found(await run(browser), 'microphone')).toBe(finding);
    expect(browser.openTracks).toBe(0);
  });

  it.each([
    [text('<html>sign in</html>'), 'server-foreign'],
    [text('https://sft.example\r\n', 502), 'server-foreign'],
    [text('https://sft.example\r\n'), 'server-reachable'],
  ])('judges what answers', async (answer, finding) => {
    const browser = new FakeBrowser();
    browser.answer = answer;
    expect(found(await run(browser), 'server')).toBe(finding);
  });

  it.each([
    [{ type: 'CONFCONN', status: 1 }, 200, 'conference-client-too-old'],
    [{ type: 'CONFCONN', status: 2 }, 200, 'conference-token-needed'],
    [{ type: 'CONFCONN', status: 4 }, 200, 'conference-busy'],
    [{ type: 'CONFCONN', status: 99 }, 200, 'conference-refused'],
    [{ type: 'SETUP' }, 200, 'conference-failed'],
    [{}, 429, 'conference-busy'],
    [{}, 500, 'conference-failed'],
  ])('tells what a server that answers a call with %j (%i) means', async (message, status, finding) => {
    const browser = new FakeBrowser();
    browser.answer = async () =>
      browser.requests === 1
        ? new Response('https://sft.example\r\n')
        : new Response(JSON.stringify(message), { status });
    const reports = await run(browser);
    expect(found(reports, 'conference')).toBe(finding);
    expect(found(reports, 'udp')).toBe('skipped-after-failure');
  });

  it('has a step for each way to a TURN server that the server names, behind those of the direct ways', async () => {
    const browser = new FakeBrowser();
    const account = { username: 'u', credential: 'c' };
    const iceServers = [
      { urls: ['stun:a.example'] },
      { urls: ['turns:a.example:5349?transport=tcp', 'turn:a.example', 'turn:b.example'], ...account },
    ];
    browser.fetch = async (url?: string) =>
      new Response(
        url?.endsWith('/config.json') ? JSON.stringify({ iceServers }) : 'https://sft.example\r\n',
      );
    const reports = await run(browser);
    const ids = reports.at(-1)!.steps.map(({ id }) => id);
    expect(ids).toEqual([
      ...['encryption', 'microphone', 'camera', 'server', 'conference', 'udp', 'tcp'],
      ...['turn-udp', 'turn-tls', 'channel', 'quality'],
    ]);
    expect(found(reports, 'turn-tls')).toBe('skipped-after-failure');
  });

  it('refuses addresses that no browser would take', async () => {
    expect(found(await run(new FakeBrowser(), { server: 'ftp://x' }), 'server')).toBe('server-url-wrong');
    const insecure = await run(new FakeBrowser(), { server: 'http://sft.example' });
    expect(found(insecure, 'server')).toBe('server-insecure');
    const local = new FakeBrowser();
    local.answer = text('http://localhost:1\r\n');
    expect(found(await run(local, { server: 'http://localhost:1' }), 'server')).toBe('server-reachable');
  });

  it('ends early without a verdict when its signal aborts, and when its reader leaves', async () => {
    const browser = new FakeBrowser();
    const reports = await run(browser, { signal: AbortSignal.abort() });
    expect(reports.at(-1)?.verdict).toBe('running');
    let count = 0;
    for await (const _ of diagnose({ server: 'https://sft.example' }, browser)) if (++count === 4) break;
    expect(browser.openTracks).toBe(0);
    expect(browser.requests).toBe(0);
  });
});
