import { describe, expect, it } from 'vitest';
import { AssociationPair, seededNumbers } from './association-pair.ts';

describe('packets of earlier, played again at any time', () => {
  for (const seed of [61, 62, 63, 64]) {
    it(`neither repeat, lose nor reorder messages, and end nothing (seed ${seed})`, () => {
      const pair = new AssociationPair(seed, { loss: 0.05, jitterMs: 20 }).connect();
      const random = seededNumbers(seed + 100);
      const ids = [pair.a.openChannel({ label: 'a' }), pair.b.openChannel({ label: 'b' })];
      const sent: string[][] = [[], []];
      for (let i = 0; i < 300; i++) {
        for (const [side, name] of (['a', 'b'] as const).entries()) {
          const text = `${name}${i} ${'.'.repeat(Math.floor(random() * 3000))}`;
          if (pair[name].send(pair.now, ids[side]!, text)) sent[side]!.push(text);
        }
        for (let k = 0; k < 5; k++) {
          const { from, bytes } = pair.wire[Math.floor(random() * pair.wire.length)]!;
          pair[from === 'a' ? 'b' : 'a'].handlePacket(pair.now, bytes);
          pair.drain();
        }
        pair.run(30);
      }
      pair.runUntil(() => pair.a.bufferedBytes + pair.b.bufferedBytes === 0, 60_000);
      expect(pair.messages('b')).toEqual(sent[0]);
      expect(pair.messages('a')).toEqual(sent[1]);
      expect(pair.events.a.filter((e) => e.type === 'connected').length).toBe(1);
      expect(pair.events.a.filter((e) => e.type === 'channel-open').length).toBe(2);
    });
  }
});
