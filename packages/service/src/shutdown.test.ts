import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createSilentLogger } from './logger.ts';
import { handleSignals } from './shutdown.ts';

function start(drain: () => Promise<void>, reload?: () => void): { source: EventEmitter; codes: number[] } {
  const source = new EventEmitter();
  const codes: number[] = [];
  handleSignals({
    source,
    log: createSilentLogger(),
    drain,
    ...(reload ? { reload } : {}),
    exit: (code) => codes.push(code),
  });
  return { source, codes };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

describe('handleSignals', () => {
  it.each(['SIGTERM', 'SIGINT'])(
    'exits at once with 0 after %s when there is nothing to drain',
    async (signal) => {
      const { source, codes } = start(() => Promise.resolve());
      source.emit(signal);
      await settle();
      expect(codes).toEqual([0]);
    },
  );

  it('waits for the end of the work at hand', async () => {
    let finish = (): void => {};
    const { source, codes } = start(() => new Promise((resolve) => (finish = resolve)));
    source.emit('SIGTERM');
    await settle();
    expect(codes).toEqual([]);
    finish();
    await settle();
    expect(codes).toEqual([0]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('exits at once at a second signal, %s', async (signal, code) => {
    let drains = 0;
    const { source, codes } = start(() => {
      drains++;
      return new Promise(() => {});
    });
    source.emit('SIGTERM');
    source.emit(signal);
    await settle();
    expect(codes).toEqual([code]);
    expect(drains).toBe(1);
  });

  it('exits with 1 when draining fails', async () => {
    const { source, codes } = start(() => Promise.reject(new Error('no')));
    source.emit('SIGINT');
    await settle();
    expect(codes).toEqual([1]);
  });

  it('reloads at SIGHUP, and survives a reload that fails', async () => {
    let reloads = 0;
    const { source, codes } = start(
      () => Promise.resolve(),
      () => {
        reloads++;
        throw new Error('no');
      },
    );
    source.emit('SIGHUP');
    source.emit('SIGHUP');
    await settle();
    expect(reloads).toBe(2);
    expect(codes).toEqual([]);
  });

  it('takes its handlers away again', () => {
    const source = new EventEmitter();
    const release = handleSignals({
      source,
      log: createSilentLogger(),
      drain: () => Promise.resolve(),
      exit: () => {},
    });
    release();
    expect(source.eventNames()).toEqual([]);
  });
});
