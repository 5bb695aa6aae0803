import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CONVERSATION, ConferenceRig } from './conference-rig.ts';

const HEAD = `"version":"3.0","sessid":"${CONVERSATION}","src_userid":"alice","src_clientid":"_"`;
const TEMPLATES: readonly string[] = [
  `{${HEAD},"type":"PING","resp":false}`,
  `{${HEAD},"type":"HANGUP","resp":false}`,
  `{${HEAD},"type":"PROPSYNC","resp":false,"props":{"muted":"true","keysync":"1","x":"y"}}`,
  `{${HEAD},"type":"CONFSTREAMS","resp":false,"mode":"list","streams":[{"userid":"bob","quality":2}]}`,
  `{${HEAD},"type":"CONFPART","resp":true,"timestamp":"0","seqno":"0","participants":[{"userid":"bob","clientid":"_","authorized":true,"ssrc_audio":"1","ssrc_video":"2","timestamp":0}]}`,
];

const mangled = fc
  .record({
    template: fc.constantFrom(...TEMPLATES),
    at: fc.nat(300),
    removed: fc.nat(6),
    inserted: fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom('null', '{}', '[]', '1e999', '-1', '"', 'true', '__proto__', '9'.repeat(40), '\u0000'),
    ),
  })
  .map(({ template, at, removed, inserted }) => {
    const start = at % template.length;
    return template.slice(0, start) + inserted + template.slice(start + removed);
  });

test('whatever a client says, nobody else is cut off and nothing throws', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(mangled, fc.json(), fc.string()), { maxLength: 12 }), (texts) => {
      const rig = new ConferenceRig();
      const alice = rig.join('alice');
      const bob = rig.join('bob');
      const carol = rig.join('carol');
      rig.advance(500);
      for (const text of texts) rig.say(alice, text);
      rig.advance(500);
      expect(rig.permissions.get(bob.leg)).toContain(carol.leg);
      expect(rig.permissions.get(carol.leg)).toContain(bob.leg);
      expect(bob.roster.filter((userId) => userId !== 'alice')).toEqual(['bob', 'carol']);
    }),
    { numRuns: 200, seed: 11 },
  );
});
