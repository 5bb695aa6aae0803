import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CallPage, eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';
import { startTurnProcess, type TurnProcess, wireCredential } from './turn-process.ts';

const TONES = [440, 770];
/** Louder than this in dB counts as heard. */
const HEARD = -60;

let turn: TurnProcess;
let sft: SftProcess;
let browser: CallBrowser;

beforeAll(async () => {
  [turn, sft] = await Promise.all([startTurnProcess(), startSftProcess()]);
  // Of all certificates that no authority has signed, the browser shall take this one.
  const certificate = new X509Certificate(readFileSync(turn.files.certificate));
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  const pin = createHash('sha256').update(spki).digest('base64');
  browser = await startCallBrowser({ flags: [`--ignore-certificate-errors-spki-list=${pin}`] });
});

afterAll(async () => {
  await browser?.close();
  await sft?.stop();
  await turn?.close();
});

test.each([
  ['UDP', 'turn', 'udp', 'udp', 'UDP'],
  ['TCP', 'turn', 'tcp', 'tcp', 'TCP'],
  ['TLS', 'turns', 'tcp', 'tls', 'TLS/TCP'],
])('two browsers hold a conference that goes through the TURN server over %s alone', async (...way) => {
  const [name, scheme, transport, relayProtocol, type] = way;
  const { username, password } = wireCredential(readFileSync(turn.files.secret, 'utf8'));
  const port = scheme === 'turns' ? turn.tlsPort : turn.port;
  const calls: CallPage[] = [];
  for (const frequency of TONES) {
    const call = await CallPage.create(await browser.openPage(), {
      sft: sft.url,
      conversation: `through-turn-${name.toLowerCase()}`,
      frequency,
      video: { width: 320, height: 180, frameRate: 15 },
      rtc: {
        iceTransportPolicy: 'relay',
        iceServers: [
          { urls: `${scheme}:127.0.0.1:${port}?transport=${transport}`, username, credential: password },
        ],
      },
    });
    await call.ask('call.media().then(() => undefined)');
    await call.join();
    calls.push(call);
  }
  for (const [me, call] of calls.entries()) {
    await eventually(
      `page ${me} hears the other`,
      () => call.tones(TONES),
      (levels) => levels[1 - me]! > HEARD,
    );
    await call.select('all', 1);
    await eventually(
      `page ${me} sees the other`,
      async () => (await call.stats()).inbound,
      (streams) => streams.some(({ kind, frames }) => kind === 'video' && (frames ?? 0) > 10),
    );
    const { pair } = await call.stats();
    expect(pair?.local).toMatchObject({ candidateType: 'relay', relayProtocol });
    expect(pair?.local.port).toBeGreaterThanOrEqual(turn.relayPorts[0]);
    expect(pair?.local.port).toBeLessThanOrEqual(turn.relayPorts[1]);
    expect(pair?.remote.port).toBe(sft.mediaPort);
  }
  expect(await turn.metric('turn_total_allocations', `"${type}"`)).toBeGreaterThanOrEqual(2);
  expect(await turn.metric('conclave_relay_channels')).toBeGreaterThanOrEqual(2);
  expect(await turn.metric('turn_total_traffic_peer_rcvp')).toBeGreaterThan(100);
  for (const call of calls) await call.ask('call.close()');
  await eventually(
    `allocations over ${name} end with their calls`,
    () => turn.metric('turn_total_allocations', `"${type}"`),
    (count) => count === 0,
  );
});
