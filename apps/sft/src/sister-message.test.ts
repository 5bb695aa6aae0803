import { FormatError } from '@conclave/bytes';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  parseLocateReply,
  parseLocateRequest,
  parsePassReply,
  parsePassRequest,
  parsePrepareRequest,
} from './sister-message.ts';

const conversation = '337c1d4c3d183624b040f9228f9abc45';
const good = [
  [parsePrepareRequest, { conversation, url: 'https://sft.example', tuple: '192.0.2.1:9190' }],
  [parseLocateRequest, { conversation, userId: 'dd180e94', clientId: '_' }],
  [parseLocateReply, { caller: true, conference: false, draining: false }],
  [parsePassRequest, { conversation, body: '{"type":"CONFCONN"}', remoteAddress: '192.0.2.1', hops: 1 }],
  [parsePassReply, { status: 200, contentType: 'application/json', body: '{}' }],
] as const;

test.each(good)('%o reads what was written', (parse, message) => {
  expect(parse(JSON.stringify(message))).toEqual(message);
});

test.each(good)(
  '%o refuses a message of which anything is missing, of another kind or too long',
  (parse, message) => {
    for (const name of Object.keys(message)) {
      for (const value of [undefined, null, 0.5, -1, 1e9, [], {}, 'x'.repeat(600_000)]) {
        expect(() => parse(JSON.stringify({ ...message, [name]: value })), name).toThrow(FormatError);
      }
    }
  },
);

test('whatever comes, it is read or refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      for (const [parse] of good) {
        try {
          parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }),
  );
});
