import { readFileSync } from 'node:fs';
import { FormatError } from '@conclave/bytes';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Answer,
  MAX_CANDIDATES,
  MAX_DESCRIPTION_LENGTH,
  MAX_SECTIONS,
  parseAnswer,
} from '../src/index.ts';

const SEED = 20_261_121;
const ANSWERS = ['avs-answer', 'chromium-simulcast-answer', 'chromium-single-layer-answer'].map((name) =>
  readFileSync(new URL(`testdata/${name}.sdp`, import.meta.url), 'utf8'),
);
const WORDS = [
  'a=',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=mid:audio',
  'a=extmap:1/',
  'a=ssrc:4294967296 cname:x',
  'a=ssrc-group:FID 1 1',
  'a=rid:__proto__ send',
  'a=simulcast:send __proto__;constructor',
  'a=fmtp:111 __proto__=1;constructor=2',
  'a=group:BUNDLE',
  '999999999999999999999',
  '-1',
  '\0',
  '\u2028',
  '\ud800',
  '%s%n',
];

/** Whatever was read has to be within bounds; anything thrown but FormatError fails the property. */
function read(text: string): Answer | undefined {
  try {
    const answer = parseAnswer(text);
    expect(answer.ice.candidates.length).toBeLessThanOrEqual(MAX_CANDIDATES);
    expect(answer.slots.length).toBeLessThanOrEqual(MAX_SECTIONS);
    expect(answer.fingerprint.value).toHaveLength(95);
    for (const media of [answer.audio, ...(answer.video ? [answer.video] : []), ...answer.slots]) {
      expect(media.payloadType).toBeLessThan(128);
      for (const id of Object.values(media.extensions)) expect(id > 0 && id < 256).toBe(true);
    }
    return answer;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    expect(error.code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    return undefined;
  }
}

const anyAnswer = fc.constantFrom(...ANSWERS);

test('characters cut out or put in', () => {
  const edit = fc.tuple(
    fc.nat(20_000),
    fc.nat(40),
    fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 8 })),
  );
  const property = fc.property(anyAnswer, fc.array(edit, { minLength: 1, maxLength: 6 }), (answer, edits) => {
    let text = answer;
    for (const [at, length, insert] of edits) {
      const from = at % text.length;
      text = text.slice(0, from) + insert + text.slice(from + length);
    }
    read(text);
  });
  fc.assert(property, { seed: SEED, numRuns: 1500 });
});

test('lines dropped, repeated, moved and made up', () => {
  const operation = fc.tuple(
    fc.constantFrom('drop', 'repeat', 'swap', 'insert'),
    fc.nat(),
    fc.nat(),
    fc.constantFrom(...WORDS),
  );
  let accepted = 0;
  const property = fc.property(
    anyAnswer,
    fc.array(operation, { minLength: 1, maxLength: 8 }),
    (answer, operations) => {
      const lines = answer.split('\r\n');
      for (const [what, a, b, word] of operations) {
        const i = a % lines.length;
        const j = b % lines.length;
        if (what === 'drop') lines.splice(i, 1);
        else if (what === 'repeat') lines.splice(j, 0, lines[i]!);
        else if (what === 'insert') lines.splice(i, 0, word);
        else [lines[i], lines[j]] = [lines[j]!, lines[i]!];
      }
      if (read(lines.join('\r\n'))) accepted++;
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 1500 });
  // If nothing passed any more, the property would only have tested the first check.
  expect(accepted).toBeGreaterThan(100);
});

test('text that never was an answer', () => {
  const line = fc.tuple(
    fc.constantFrom('v', 'o', 'm', 'a', 'c', 'x'),
    fc.string({ unit: 'binary', maxLength: 60 }),
  );
  const property = fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
    read(`v=0\r\n${lines.map(([letter, value]) => `${letter}=${value}`).join('\n')}`);
  });
  fc.assert(property, { seed: SEED, numRuns: 500 });
});

test('texts made to be costly are read or refused in a moment', () => {
  const base = ANSWERS[0]!;
  const room = MAX_DESCRIPTION_LENGTH - base.length - 10;
  const attacks = [
    'a=ssrc:1 c\r\n',
    'a=rtpmap:111 opus/48000/2\r\n',
    'a=rtpmap:101 rtx/90000\r\n',
    'a=fmtp:101 apt=1\r\n',
    'a=rtpmap:101 rtx/90000\r\na=fmtp:101 x=1\r\n',
    'a=extmap:1 u\r\n',
    'a=candidate:\r\n',
    'a=rid:l send\r\n',
    `a=simulcast:send ${'l;'.repeat(2000)}\r\n`,
    `a=fmtp:111 ${';='.repeat(2000)}\r\n`,
    `a=fingerprint:sha-256 ${'AA:'.repeat(1000)}\r\n`,
  ];
  for (const attack of attacks) {
    const count = Math.min(Math.floor(room / attack.length), 1700);
    const text = base.replace('a=mid:video', `${attack.repeat(count)}a=mid:video`);
    const started = performance.now();
    read(text);
    // A pattern that backtracks without end would take minutes; the bound is wide because the machine may be busy.
    expect(performance.now() - started).toBeLessThan(2000);
  }
});
