import { webcrypto } from 'node:crypto';
import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web';
import { toUtf8 } from '@conclave/bytes';
import { describe, expect, test } from 'vitest';
import { crypto, seededRandom } from '../test/seeded-random.ts';
import {
  type EncodedFrame,
  FrameTransform,
  type FrameTransformCommand,
  type FrameTransformReport,
} from './frame-transform.ts';
import {
  createFrameTransform,
  FrameTransformUnsupportedError,
  frameTransformSupport,
} from './frame-transform-page.ts';
import {
  type FrameWorkerMessage,
  type FrameWorkerScope,
  runFrameTransformWorker,
} from './frame-transform-worker.ts';

const key = Uint8Array.from({ length: 32 }, (_, i) => i);

function encoded(text: string, contributingSources: number[] = []): EncodedFrame {
  return { data: toUtf8(text).buffer as ArrayBuffer, getMetadata: () => ({ contributingSources }) };
}

const textOf = (frame: EncodedFrame) => Buffer.from(frame.data).toString();

function startCommands(userHash: string): FrameTransformCommand[] {
  return [
    { type: 'start', conversationHash: 'c', userHash, forwardHashing: true, replayWindowFrames: 1024 },
    { type: 'stream-id', kind: 'audio', streamId: userHash === 'a' ? 1 : 2 },
    {
      type: 'senders',
      senders: [
        { userHash: 'a', audioSsrc: 1, videoSsrc: 11 },
        { userHash: 'b', audioSsrc: 2, videoSsrc: 12 },
      ],
    },
  ];
}

const keyCommands = (index: number): FrameTransformCommand[] => [
  { type: 'key-change', change: { type: 'key', index, sessionKey: key } },
  { type: 'key-change', change: { type: 'send-with', index } },
];

async function started(userHash: string, index?: number): Promise<FrameTransform> {
  const transform = new FrameTransform(crypto, seededRandom(userHash));
  for (const command of startCommands(userHash)) await transform.handleCommand(command);
  if (index !== undefined) for (const command of keyCommands(index)) await transform.handleCommand(command);
  return transform;
}

function reports(from: FrameTransform): FrameTransformReport[] {
  const all: FrameTransformReport[] = [];
  for (let next = from.pollReport(); next !== undefined; next = from.pollReport()) all.push(next);
  return all;
}

describe('frame transform', () => {
  test('what one seals the other opens', async () => {
    const [a, b] = [await started('a', 0), await started('b', 0)];
    const frame = encoded('hello');
    expect(await a.transform({ direction: 'send', kind: 'audio' }, frame)).toBe(true);
    expect(textOf(frame)).not.toContain('hello');
    expect(await b.transform({ direction: 'receive', kind: 'audio' }, frame)).toBe(true);
    expect(textOf(frame)).toBe('hello');
    const picture = encoded('picture', [11]);
    await a.transform({ direction: 'send', kind: 'video' }, picture);
    expect(await b.transform({ direction: 'receive', kind: 'video' }, picture)).toBe(true);
    expect(reports(b)).toEqual([]);
  });

  test('a picture that needs others says so in clear, a key frame and a voice do not', async () => {
    const a = await started('a', 0);
    const firstBit = async (kind: 'audio' | 'video', type?: string): Promise<number> => {
      const frame = { ...encoded('x'), ...(type && { type }) };
      await a.transform({ direction: 'send', kind }, frame);
      return new Uint8Array(frame.data)[0]! & 1;
    };
    expect(await firstBit('video', 'key')).toBe(0);
    expect(await firstBit('video', 'delta')).toBe(1);
    expect(await firstBit('audio')).toBe(0);
  });

  test('it says whose frames come in a slot, when that changes', async () => {
    const receiver = await started('c', 0);
    const hear = async (sender: FrameTransform, slot: string) => {
      const frame = encoded('x');
      await sender.transform({ direction: 'send', kind: 'audio' }, frame);
      await receiver.transform({ direction: 'receive', kind: 'audio', slot }, frame);
    };
    const [a, b] = [await started('a', 0), await started('b', 0)];
    await hear(a, '0');
    await hear(a, '0');
    await hear(b, '1');
    await hear(b, '0');
    expect(reports(receiver)).toEqual([
      { type: 'source', slot: '0', kind: 'audio', userHash: 'a' },
      { type: 'source', slot: '1', kind: 'audio', userHash: 'b' },
      { type: 'source', slot: '0', kind: 'audio', userHash: 'b' },
    ]);
  });

  test('frames that are not opened do not make their claimed sender the one of the slot', async () => {
    const [a, receiver] = [await started('a', 0), await started('b', 1)];
    const frame = encoded('x');
    await a.transform({ direction: 'send', kind: 'audio' }, frame);
    await receiver.transform({ direction: 'receive', kind: 'audio', slot: '0' }, frame);
    expect(reports(receiver).map(({ type }) => type)).not.toContain('source');
  });

  test('it counts frames for as long as their sender is in the list', async () => {
    const [a, receiver] = [await started('a', 0), await started('b', 0)];
    const hear = async (damage: number) => {
      const frame = encoded('hello');
      await a.transform({ direction: 'send', kind: 'audio' }, frame);
      new Uint8Array(frame.data)[frame.data.byteLength - 1]! ^= damage;
      await receiver.transform({ direction: 'receive', kind: 'audio' }, frame);
    };
    const counts = async (transform: FrameTransform) => {
      await transform.handleCommand({ type: 'count' });
      return reports(transform).filter(({ type }) => type === 'counts');
    };
    for (const damage of [0, 0, 1]) await hear(damage);
    expect(await counts(receiver)).toEqual([
      {
        type: 'counts',
        sealed: 0,
        senders: [
          { userHash: 'a', opened: 2, refused: 1 },
          { userHash: 'b', opened: 0, refused: 0 },
        ],
      },
    ]);
    expect(await counts(a)).toMatchObject([{ sealed: 3 }]);
    await receiver.handleCommand({ type: 'senders', senders: [] });
    expect(await counts(receiver)).toMatchObject([{ senders: [] }]);
  });

  test('nothing leaves in clear without a key, and that is said once', async () => {
    for (const transform of [new FrameTransform(crypto, seededRandom('x')), await started('a')]) {
      for (let i = 0; i < 3; i++) {
        expect(await transform.transform({ direction: 'send', kind: 'audio' }, encoded('x'))).toBe(false);
      }
      expect(reports(transform)).toEqual([{ type: 'not-sealed', code: 'no-key' }]);
      expect(await transform.transform({ direction: 'receive', kind: 'audio' }, encoded('clear', [1]))).toBe(
        false,
      );
    }
  });

  test('drops are reported once per reason, sender and index, and bounded', async () => {
    const [a, b] = [await started('a', 3), await started('b', 9)];
    for (let i = 0; i < 10; i++) {
      const frame = encoded('x');
      await a.transform({ direction: 'send', kind: 'audio' }, frame);
      expect(await b.transform({ direction: 'receive', kind: 'audio' }, frame)).toBe(false);
    }
    const drop = { type: 'dropped', kind: 'audio', reason: 'missing-key', userHash: 'a', keyIndex: 3 };
    expect(reports(b)).toEqual([drop]);
    for (let i = 0; i < 2000; i++) {
      const forged = new Uint8Array(40);
      forged.set([0, 0x09, 1 + (i >>> 8), i & 255, 1]);
      const frame: EncodedFrame = { data: forged.buffer, getMetadata: () => ({ contributingSources: [1] }) };
      await b.transform({ direction: 'receive', kind: 'audio' }, frame);
    }
    expect(reports(b).length).toBe(256);
  });

  test('who moved on to a hashed key is reported', async () => {
    const [a, b] = [await started('a', 0), await started('b', 0)];
    const { deriveNextSessionKey } = await import('./key-derivation.ts');
    const sessionKey = await deriveNextSessionKey(crypto, key, 'c');
    await a.handleCommand({ type: 'key-change', change: { type: 'key', index: 1, sessionKey } });
    await a.handleCommand({ type: 'key-change', change: { type: 'send-with', index: 1 } });
    const frame = encoded('x');
    await a.transform({ direction: 'send', kind: 'audio' }, frame);
    expect(await b.transform({ direction: 'receive', kind: 'audio' }, frame)).toBe(true);
    expect(reports(b)).toEqual([{ type: 'key-seen', keyIndex: 1 }]);
  });

  test('starting twice, or changing keys before, is refused', async () => {
    const transform = new FrameTransform(crypto, seededRandom('x'));
    for (const command of [...keyCommands(0), startCommands('a')[1]!]) {
      await expect(transform.handleCommand(command)).rejects.toThrow('not started');
    }
    await transform.handleCommand(startCommands('a')[0]!);
    await expect(transform.handleCommand(startCommands('a')[0]!)).rejects.toThrow('started before');
  });
});

/** A worker's global object with what a browser would say to it. */
class Scope {
  readonly crypto = webcrypto as unknown as FrameWorkerScope['crypto'];
  readonly TransformStream = TransformStream as unknown as FrameWorkerScope['TransformStream'];
  readonly posted: FrameTransformReport[] = [];
  onrtctransform: ((event: unknown) => void) | null = null;
  #listener: ((event: { data: FrameWorkerMessage }) => void) | undefined;

  postMessage(message: FrameTransformReport): void {
    this.posted.push(message);
  }

  addEventListener(_type: 'message', listener: (event: { data: FrameWorkerMessage }) => void): void {
    this.#listener = listener;
  }

  say(data: FrameWorkerMessage): void {
    this.#listener!({ data });
  }
}

function streamOf(frames: EncodedFrame[]) {
  const out: EncodedFrame[] = [];
  let finish: () => void;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const readable = ReadableStream.from(frames) as never;
  const writable = new WritableStream<EncodedFrame>({
    write: (frame) => void out.push(frame),
    close: () => finish(),
  }) as never;
  return { readable, writable, out, finished };
}

describe('frame transform worker', () => {
  test('script transforms on one side, encoded streams on the other, frames in order', async () => {
    const [sender, receiver] = [new Scope(), new Scope()];
    for (const [scope, name] of [
      [sender, 'a'],
      [receiver, 'b'],
    ] as const) {
      const transform = runFrameTransformWorker(scope);
      for (const command of [...startCommands(name), ...keyCommands(0)]) scope.say(command);
      // Commands are carried out in order: after this one all are.
      await transform.handleCommand({ type: 'stream-id', kind: 'video', streamId: 0 });
    }
    const texts = Array.from({ length: 50 }, (_, i) => `frame ${i}`);
    const sent = streamOf(texts.map((text) => encoded(text)));
    sender.onrtctransform!({ transformer: { options: { direction: 'send', kind: 'audio' }, ...sent } });
    await sent.finished;
    expect(sent.out.length).toBe(50);
    const received = streamOf([...sent.out.slice(0, 10), encoded('clear', [1]), ...sent.out.slice(10)]);
    const { readable, writable } = received;
    receiver.say({ type: 'streams', role: { direction: 'receive', kind: 'audio' }, readable, writable });
    await received.finished;
    expect(received.out.map(textOf)).toEqual(texts);
    expect(receiver.posted).toMatchObject([{ type: 'dropped', kind: 'audio', reason: 'malformed' }]);
  });

  test('after frames that could not be opened a key frame is asked for, once', async () => {
    const scope = new Scope();
    const receiver = runFrameTransformWorker(scope);
    for (const command of [...startCommands('b'), ...keyCommands(0)]) await receiver.handleCommand(command);
    const sender = await started('a', 0);
    const frames: EncodedFrame[] = [];
    for (const text of ['bad', 'bad', 'delta', 'delta', 'bad', 'key']) {
      const frame = { ...encoded(text, [11]), type: text };
      if (text !== 'bad') await sender.transform({ direction: 'send', kind: 'video' }, frame);
      frames.push(frame);
    }
    let asked = 0;
    const sendKeyFrameRequest = async () => {
      asked++;
      throw new Error('the stream has ended');
    };
    const stream = streamOf(frames);
    const options = { direction: 'receive', kind: 'video' };
    scope.onrtctransform!({ transformer: { options, ...stream, sendKeyFrameRequest } });
    await stream.finished;
    expect(stream.out.map(textOf)).toEqual(['delta', 'delta', 'key']);
    expect(asked).toBe(1);
  });

  test('a refused command is named, without what it holds', async () => {
    const scope = new Scope();
    const transform = runFrameTransformWorker(scope);
    for (const command of keyCommands(0)) scope.say(command);
    await transform.handleCommand(startCommands('a')[0]!);
    expect(scope.posted).toEqual([
      { type: 'refused', command: 'key-change' },
      { type: 'refused', command: 'key-change' },
    ]);
  });
});

describe('frame transform page', () => {
  const worker = () => {
    const posted: unknown[][] = [];
    return { posted, postMessage: (...args: unknown[]) => void posted.push(args) };
  };
  const role = { direction: 'send', kind: 'video' } as const;

  test('prefers script transforms', () => {
    const made: unknown[][] = [];
    class ScriptTransform {
      constructor(...args: unknown[]) {
        made.push(args);
      }
    }
    const to = worker();
    const port = createFrameTransform({ RTCRtpScriptTransform: ScriptTransform }, to);
    const target: { transform?: unknown } = {};
    port.attach(target, role);
    expect(target.transform).toBeInstanceOf(ScriptTransform);
    expect(made).toEqual([[to, role]]);
    expect([port.support, port.peerConnectionOptions]).toEqual(['script-transform', {}]);
    port.post(keyCommands(0)[1]!);
    expect(to.posted).toEqual([[keyCommands(0)[1]]]);
  });

  test('falls back to encoded streams, whose ends it transfers', () => {
    class RTCRtpSender {
      createEncodedStreams() {
        return { readable: 'r', writable: 'w' };
      }
    }
    const to = worker();
    const port = createFrameTransform({ RTCRtpSender }, to);
    port.attach(new RTCRtpSender(), role);
    expect(port.peerConnectionOptions).toEqual({ encodedInsertableStreams: true });
    expect(to.posted).toEqual([[{ type: 'streams', role, readable: 'r', writable: 'w' }, ['r', 'w']]]);
  });

  test('refuses where there is neither', () => {
    expect(frameTransformSupport({})).toBe('none');
    expect(() => createFrameTransform({ RTCRtpSender: class {} }, worker())).toThrow(
      FrameTransformUnsupportedError,
    );
  });
});
