import { createFlowTableHarness, type SrtpProfile } from '@conclave/forwarder';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowTableModel } from '../src/flow-table-model.ts';
import { type Action, RandomConference } from './random-conference.ts';
import { TwinTables } from './twin-tables.ts';

const SEED = Number(process.env.CONCLAVE_PROPERTY_SEED ?? 20_260_101);
const RUNS = Number(process.env.CONCLAVE_PROPERTY_RUNS ?? 400);

const choice = fc.nat({ max: 1000 });

const packet = fc.record({
  type: fc.constant('packet' as const),
  stream: fc.oneof({ arbitrary: fc.nat({ max: 5 }), weight: 3 }, { arbitrary: choice, weight: 1 }),
  content: fc.constantFrom(
    ...(['media', 'media', 'media', 'padding', 'key', 'dependency-key', 'delta', 'rest', 'empty'] as const),
  ),
  step: fc.constantFrom(1, 1, 1, 1, 1, 2, 3, 40, 300, 600, 1023, 1024, 2500),
  ticks: fc.constantFrom(0, 960, 960, 1920, 3000, 36_000, 90_000, 0x8000_0000),
  withRid: fc.boolean(),
  twoByte: fc.boolean(),
  junkExtension: fc.boolean(),
  padding: fc.constantFrom(0, 0, 0, 1, 7, 255),
  level: fc.integer({ min: 0, max: 127 }),
  voice: fc.boolean(),
  marker: fc.boolean(),
  fate: fc.constantFrom(
    ...(['sent', 'sent', 'sent', 'sent', 'sent', 'sent', 'later', 'later', 'twice'] as const),
    ...(['forged', 'cut', 'elsewhere', 'other-type'] as const),
  ),
  seed: fc.nat(),
});

const time = fc.record({
  type: fc.constant('time' as const),
  ms: fc.constantFrom(0, 0.25, 1, 5, 20, 20, 50, 51, 100, 400, 550, 1050),
});

const ruleCall: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    type: fc.constant('source' as const),
    egress: choice,
    stream: choice,
    keyFrame: fc.boolean(),
    deadlineMs: fc.constantFrom(0, 10, 100, 1000),
  }),
  fc.record({ type: fc.constant('slot' as const), slot: fc.nat({ max: 2 }), stream: choice }),
  fc.record({ type: fc.constant('permissions' as const), peer: choice, mask: fc.nat({ max: 15 }) }),
  fc.record({ type: fc.constant('receiver' as const), peer: choice, member: fc.boolean() }),
  fc.record({ type: fc.constant('bind' as const), stream: choice, fresh: fc.boolean() }),
  fc.record({ type: fc.constant('ingress' as const), stream: choice, remove: fc.boolean() }),
  fc.record({ type: fc.constant('egress' as const), egress: choice }),
  fc.record({
    type: fc.constant('paths' as const),
    peer: choice,
    which: fc.constantFrom('none' as const, 'normal' as const, 'normal' as const, 'receive-only' as const),
  }),
  fc.record({ type: fc.constant('request' as const), stream: choice }),
  fc.record({ type: fc.constant('leave' as const), peer: choice }),
);

const wiring: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    type: fc.constant('source' as const),
    egress: choice,
    stream: choice,
    keyFrame: fc.boolean(),
    deadlineMs: fc.constantFrom(100, 1000),
  }),
  fc.record({ type: fc.constant('slot' as const), slot: fc.nat({ max: 1 }), stream: choice }),
  fc.record({ type: fc.constant('permissions' as const), peer: choice, mask: fc.constantFrom(15, 15, 7, 5) }),
);

const otherInput: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ type: fc.constant('repair' as const), stream: choice, which: choice, named: fc.boolean() }),
  fc.record({
    type: fc.constant('report' as const),
    stream: choice,
    skewMs: fc.constantFrom(0, -1.5, 3, 400, 700, -2000),
    withBlock: fc.boolean(),
  }),
  fc.record({
    type: fc.constant('feedback' as const),
    peer: choice,
    kind: fc.constantFrom('pli' as const, 'fir' as const, 'nack' as const, 'nack' as const),
    which: choice,
  }),
  fc.record({
    type: fc.constant('datagram' as const),
    peer: choice,
    first: fc.constantFrom(0, 3, 4, 19, 20, 63, 64, 127, 128, 0x90, 191, 192, 255),
    known: fc.boolean(),
    length: fc.constantFrom(0, 1, 11, 40, 300, 2048, 2049),
  }),
  fc.constant({ type: 'levels' as const }),
);

// Without bias most scripts are long; they still shrink to what is needed.
const script: fc.Arbitrary<Action[]> = fc.noBias(
  fc.array(
    fc.oneof(
      { arbitrary: packet as fc.Arbitrary<Action>, weight: 18 },
      { arbitrary: time as fc.Arbitrary<Action>, weight: 3 },
      { arbitrary: otherInput, weight: 4 },
      { arbitrary: fc.constant<Action>({ type: 'late-packets' }), weight: 1 },
      { arbitrary: wiring, weight: 2 },
      { arbitrary: ruleCall, weight: 1 },
    ),
    { maxLength: 160, size: 'max' },
  ),
);

// Everything that a script is meant to reach. A generator that no longer does proves nothing.
const WANTED = [
  ...['switched', 'switch-deadline', 'unknown-ssrc', 'key-frame-needed', 'audio-onset', 'receiver-report'],
  ...['stun', 'dtls', 'key frames', 'recovered packets', 'retransmissions'],
  ...['not_demultiplexed', 'oversize', 'no_path', 'malformed', 'bad_tag', 'replayed'].map(
    (r) => `dropped_${r}`,
  ),
  ...['too_old', 'too_many_ssrcs', 'unknown_ssrc', 'payload_type', 'duplicate'].map((r) => `dropped_${r}`),
  ...['no_receiver', 'not_permitted', 'not_ready', 'before_switch'].map((r) => `dropped_${r}`),
];

describe('model and addon', () => {
  it(
    'send the same bytes and tell the same events, whatever happens',
    () => {
      const options = { onsetLevel: 60, maxSsrcsPerPeer: 6 };
      const met: Record<string, number> = {};
      fc.assert(
        fc.property(fc.constantFrom<SrtpProfile[]>(1, 7, 8), fc.nat(), script, (profile, seed, actions) => {
          const twins = new TwinTables(new FlowTableModel(options), createFlowTableHarness(options));
          const conference = new RandomConference(twins, profile, seed);
          for (const action of actions) conference.play(action);
          conference.play({ type: 'time', ms: 2000 });
          twins.compareAudioLevels();
          twins.compareTotals();
          for (const [name, count] of Object.entries(twins.met)) met[name] = (met[name] ?? 0) + count;
          met.sent = (met.sent ?? 0) + conference.sentCount;
        }),
        { seed: SEED, numRuns: RUNS },
      );
      if (process.env.CONCLAVE_PROPERTY_MET !== undefined) console.log(met);
      if (RUNS >= 200) expect(WANTED.filter((name) => (met[name] ?? 0) < 3)).toEqual([]);
      expect(met.sent).toBeGreaterThan(RUNS * 20);
    },
    10_000 + RUNS * 100,
  );
});
