import { describe, expect, it } from 'vitest';
import { AssociationPair, seededNumbers } from './association-pair.ts';

function longMessage(seed: number, size: number): Uint8Array {
  const next = seededNumbers(seed);
  return Uint8Array.from({ length: size }, () => Math.floor(next() * 256));
}

/** Offers the messages again until they are taken, as an owner under back-pressure does. */
function sendAll(pair: AssociationPair, streamId: number, messages: (string | Uint8Array)[]): void {
  const waiting = [...messages];
  while (waiting.length > 0) {
    if (pair.a.send(pair.now, streamId, waiting[0]!)) waiting.shift();
    else pair.step(pair.now + 60_000);
    expect(pair.a.state).toBe('established');
  }
}

describe('over a link that loses a tenth both ways, reorders and duplicates', () => {
  for (const seed of [1, 2, 3]) {
    it(`delivers 1000 messages in order (seed ${seed})`, () => {
      const pair = new AssociationPair(seed, { loss: 0.1, duplication: 0.05, delayMs: 20, jitterMs: 10 });
      pair.connect();
      const streamId = pair.a.openChannel({ label: 'calling-3.0' });
      const sent = Array.from({ length: 1000 }, (_, i) => `message ${i} ${'x'.repeat(i % 300)}`);
      const start = pair.now;
      sendAll(pair, streamId, sent);
      pair.runUntil(() => pair.messages('b').length === 1000, 120_000);
      expect(pair.messages('b')).toEqual(sent);
      expect(pair.now - start).toBeLessThan(60_000);
      pair.runUntil(() => pair.a.bufferedBytes === 0, 10_000);
    });

    it(`delivers messages of 256 kB intact (seed ${seed})`, () => {
      const pair = new AssociationPair(seed, { loss: 0.1, duplication: 0.05, delayMs: 20, jitterMs: 10 });
      pair.connect();
      const streamId = pair.a.openChannel({ label: 'files' });
      const sent = [1, 2, 3, 4].map((n) => longMessage(seed * 10 + n, 262_144));
      const start = pair.now;
      sendAll(pair, streamId, sent);
      pair.runUntil(() => pair.messages('b').length === 4, 300_000);
      expect(pair.messages('b').map((m, i) => Buffer.compare(m as Uint8Array, sent[i]!))).toEqual([
        0, 0, 0, 0,
      ]);
      expect(pair.now - start).toBeLessThan(120_000);
    });
  }
});
