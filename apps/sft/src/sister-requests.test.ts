import { Secret } from '@conclave/bytes';
import type { HttpRequest } from '@conclave/service';
import { expect, test, vi } from 'vitest';
import { SisterRequests } from './sister-requests.ts';
import { SisterSeal } from './sister-seal.ts';
import { SEAL_HEADER } from './sisters.ts';

const URL_OF_THIS = 'https://meet.example/sfts/1';
const CONVERSATION = '337c1d4c3d183624b040f9228f9abc45';

function sealOf(word: string): SisterSeal {
  const secret = new Secret(new TextEncoder().encode(word));
  return new SisterSeal({ secrets: () => [secret], wallClockMs: () => 1_795_232_000_000 });
}

function bench() {
  const prepare = vi.fn(() => true);
  const handle = vi.fn(async () => ({ status: 200, contentType: 'application/json' as const, body: '{}' }));
  const requests = new SisterRequests({
    url: URL_OF_THIS,
    seal: sealOf('shared'),
    prepare,
    locate: () => ({ caller: false, conference: true, draining: false }),
    handle,
  });
  const ask = (action: string, message: unknown, change: Partial<HttpRequest> = {}, word = 'shared') => {
    const body = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
    const seal = sealOf(word).make({ to: URL_OF_THIS, action, body });
    return requests.answer({
      method: 'POST',
      target: `/sfts/1/sister/${action}`,
      headers: { [SEAL_HEADER]: seal },
      body,
      peerAddress: '192.0.2.1',
      closed: new AbortController().signal,
      ...change,
    });
  };
  return { ask, prepare, handle };
}

const move = { conversation: CONVERSATION, url: 'https://meet.example/sfts/0', tuple: '192.0.2.2:9190' };

test('a sister asks for a conference to be taken over, with the URL path and without', async () => {
  const { ask, prepare } = bench();
  expect(await ask('prepare', move)).toMatchObject({ status: 200 });
  expect(await ask('prepare', move, { target: '/sister/prepare' })).toMatchObject({ status: 200 });
  expect(prepare).toHaveBeenLastCalledWith(move);
  prepare.mockReturnValue(false);
  expect(await ask('prepare', move)).toMatchObject({ status: 503 });
});

test('a request of a client is answered as if it had come here, and counts how often it was passed on', async () => {
  const { ask, handle } = bench();
  const passed = { conversation: CONVERSATION, body: '{"a":1}', remoteAddress: '198.51.100.7', hops: 1 };
  const reply = await ask('pass', passed);
  expect(JSON.parse(String(reply?.body))).toEqual({
    status: 200,
    contentType: 'application/json',
    body: '{}',
  });
  expect(handle).toHaveBeenCalledWith(
    expect.objectContaining({ path: `/sft/${CONVERSATION}`, remoteAddress: '198.51.100.7', hops: 1 }),
  );
});

test('to everybody else it is as if there were no such path', async () => {
  const { ask, prepare, handle } = bench();
  expect(await ask('prepare', move, {}, 'guessed')).toBeUndefined();
  expect(await ask('prepare', move, { headers: {} })).toBeUndefined();
  expect(await ask('prepare', move, { body: Buffer.from('{}') })).toBeUndefined();
  expect(await ask('prepare', move, { target: '/sister/pass' })).toBeUndefined();
  expect(await ask('prepare', move, { method: 'GET' })).toBeUndefined();
  expect(await ask('unknown', move)).toBeUndefined();
  expect(prepare).not.toHaveBeenCalled();
  expect(handle).not.toHaveBeenCalled();
});

test.each(['', 'nonsense', '{}', '[]', '{"conversation":"../x"}'])(
  'a sister that says %j is refused',
  async (text) => {
    const { ask, prepare } = bench();
    expect(await ask('prepare', text)).toMatchObject({ status: 400 });
    expect(prepare).not.toHaveBeenCalled();
  },
);
