import type { IcePath } from '@conclave/ice';
import { pathKey } from '@conclave/ice';
import { parseStun } from '@conclave/stun';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AgentUnderTest, mainCandidate } from './scripted-peer.ts';

/** Few enough paths that checks, answers and closings meet. */
const paths: readonly IcePath[] = [
  ...[5000, 5001, 5002, 5003].map(
    (port): IcePath => ({ socket: 1, address: '198.51.100.9', port, transport: 'udp' }),
  ),
  ...[71, 72].map(
    (socket): IcePath => ({ socket, address: '198.51.100.9', port: 900 + socket, transport: 'tcp' }),
  ),
];

type Step =
  | {
      do: 'request';
      path: number;
      useCandidate: boolean;
      role: 'controlling' | 'controlled';
      tieBreaker: bigint;
    }
  | { do: 'answer'; back: number }
  | { do: 'wait'; ms: number }
  | { do: 'close'; socket: number }
  | { do: 'start' }
  | { do: 'damage'; back: number; bit: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('request' as const),
    path: fc.nat(paths.length - 1),
    useCandidate: fc.boolean(),
    role: fc.constantFrom('controlling' as const, 'controlled' as const),
    tieBreaker: fc.constantFrom(0n, 0xffffffffffffffffn),
  }),
  fc.record({ do: fc.constant('answer' as const), back: fc.nat(5) }),
  fc.record({ do: fc.constant('answer' as const), back: fc.nat(5) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(100), fc.nat(3000), fc.nat(20_000)) }),
  fc.record({ do: fc.constant('close' as const), socket: fc.constantFrom(71, 72) }),
  fc.record({ do: fc.constant('start' as const) }),
  fc.record({ do: fc.constant('damage' as const), back: fc.nat(5), bit: fc.nat(500) }),
);

it('only paths that answered are valid, the selected one is among them, and timers lie ahead', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom('controlling', 'controlled'),
      (steps, role) => {
        const test = new AgentUnderTest({ role });
        test.agent.addLocalCandidate({
          socket: 9,
          address: '192.0.2.1',
          advertisedAddress: '192.0.2.1',
          port: 443,
          transport: 'tcp',
        });
        const answered = new Set<string>();
        let isStarted = false;
        for (const s of steps) {
          if (s.do === 'request') test.receive(test.request(s), paths[s.path]);
          else if (s.do === 'wait') test.advance(s.ms);
          else if (s.do === 'close') test.agent.handlePathClosed(test.now, s.socket);
          else if (s.do === 'start') {
            test.start([mainCandidate, { ...mainCandidate, port: 5001, priority: 77 }]);
            isStarted = true;
          } else {
            const requests = test.sent.filter((sent) => sent.message.class === 'request');
            const target = requests.at(-1 - s.back);
            if (!target) continue;
            const answer = test.answerTo(target.message);
            if (s.do === 'answer') {
              if (test.receive(answer, target.path)) answered.add(pathKey(target.path));
            } else {
              // Damage in front of the fingerprint, which a response may do without.
              const bit = s.bit % ((answer.length - 8) * 8);
              answer[bit >> 3]! ^= 1 << (bit & 7);
              expect(test.receive(answer, target.path)).toBe(false);
            }
          }
          const { agent } = test;
          const valid = agent.validPaths.map(pathKey);
          expect(valid.every((key) => answered.has(key))).toBe(true);
          expect(valid.length === 0 || agent.selectedPath !== undefined).toBe(true);
          if (agent.selectedPath) expect(valid).toContain(pathKey(agent.selectedPath));
          const at = agent.pollTimeout();
          if (isStarted && agent.state !== 'failed') expect(at).toBeGreaterThan(test.now);
          else expect(at).toBeUndefined();
          if (valid.length > 0) expect(['connected', 'disconnected']).toContain(agent.state);
        }
      },
    ),
    { seed: 7, numRuns: 400 },
  );
});

it('messages of the agent are well-formed whatever happens', () => {
  const test = new AgentUnderTest().connect();
  test.advance(60_000);
  for (const { message } of test.sent) {
    expect(parseStun(message.bytes).hasFingerprint).toBe(true);
    expect(message.integrityOffset).toBeDefined();
    expect(new DataView(message.transactionId.buffer, message.transactionId.byteOffset).getUint32(0)).toBe(
      0xc0ffee00,
    );
  }
});
