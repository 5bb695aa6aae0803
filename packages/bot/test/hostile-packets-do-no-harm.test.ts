import { FormatError } from '@conclave/bytes';
import { SrtpProfile, SrtpSender } from '@conclave/forwarder';
import { encodeRtcp, encodeRtpPacket } from '@conclave/rtp';
import { SeededRandom } from '@conclave/testkit';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readConferenceOffer } from '../src/conference-offer.ts';
import { FrameAssembler } from '../src/frame-assembler.ts';
import { MediaConnection } from '../src/media-connection.ts';
import { offerWith } from './media-pair.ts';

const AUDIO_SLOT = 4001;
const VIDEO_SLOT = 4002;
const VIDEO_RTX = 4003;
const OFFER = offerWith(
  [{ mid: '1', ssrc: AUDIO_SLOT, id: 'a1' }],
  [{ mid: '2', ssrc: VIDEO_SLOT, rtxSsrc: VIDEO_RTX, id: 'v2' }],
);

/** A connection, and the server's end of its SRTP: what it seals is authentic. */
function connectionWithServer(): { readonly connection: MediaConnection; readonly server: SrtpSender } {
  const random = new SeededRandom(1);
  const connection = new MediaConnection({
    offer: readConferenceOffer(OFFER),
    random: random.bytes,
    cname: 'bot',
    audioPatienceMs: 60,
    videoPatienceMs: 500,
    videoPaceBps: 1e9,
  });
  const [sendKey, receiveKey] = [random.bytes(16), random.bytes(16)];
  const [sendSalt, receiveSalt] = [random.bytes(12), random.bytes(12)];
  const profile = SrtpProfile.aeadAes128Gcm;
  connection.secure(0, { profile, sendKey, sendSalt, receiveKey, receiveSalt });
  return { connection, server: new SrtpSender(profile, receiveKey, receiveSalt) };
}

function drain(connection: MediaConnection): { datagrams: number; events: number } {
  let [datagrams, events] = [0, 0];
  while (connection.pollTransmit()) datagrams++;
  while (connection.pollEvent()) events++;
  return { datagrams, events };
}

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });

it('datagrams that are not authentic are counted and change nothing', () => {
  const { connection } = connectionWithServer();
  fc.assert(
    fc.property(bytes(100), (tail) => {
      const before = connection.totals().refusedPackets;
      connection.handlePacket(1, 1, Uint8Array.of(0x80, 100, ...tail));
      expect(connection.totals().refusedPackets).toBe(before + 1);
      expect(drain(connection)).toEqual({ datagrams: 0, events: 0 });
    }),
    { numRuns: 300 },
  );
});

it('no authentic packet of any stream, number and payload makes it throw or send much', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          ssrc: fc.constantFrom(AUDIO_SLOT, VIDEO_SLOT, VIDEO_RTX, 77),
          payloadType: fc.constantFrom(111, 100, 101, 5),
          sequence: fc.nat(0xffff),
          timestamp: fc.nat(0xffff_ffff),
          marker: fc.boolean(),
          payload: bytes(40),
          paddingLength: fc.constantFrom(0, 0, 3),
          elapsedMs: fc.nat(300),
        }),
        { maxLength: 60 },
      ),
      (packets) => {
        const { connection, server } = connectionWithServer();
        let now = 1;
        for (const { elapsedMs, ...packet } of packets) {
          now += elapsedMs;
          let sealed: Uint8Array;
          try {
            sealed = server.protectRtp(encodeRtpPacket({ ...packet, csrcs: [9], extensions: [] }));
          } catch (error) {
            // A number used before: the server's end refuses, too.
            if (error instanceof FormatError) continue;
            throw error;
          }
          connection.handlePacket(now, now, sealed);
          connection.handleTimeout(now, now);
          // At most a NACK for each slot, a request for a key frame, and a report.
          expect(drain(connection).datagrams).toBeLessThanOrEqual(5);
        }
      },
    ),
    { numRuns: 200 },
  );
});

it('no authentic report of any form makes it throw or amplifies', () => {
  const { connection, server } = connectionWithServer();
  fc.assert(
    fc.property(
      fc.record({
        packetType: fc.integer({ min: 192, max: 223 }),
        format: fc.nat(31),
        words: fc.array(fc.nat(0xffff_ffff), { maxLength: 20 }),
      }),
      ({ packetType, format, words }) => {
        const body = new Uint8Array(words.length * 4);
        words.forEach((word, at) => {
          new DataView(body.buffer).setUint32(at * 4, word);
        });
        const other = encodeRtcp([{ type: 'other', packetType, format, body }]);
        if (other.length < 8) return;
        connection.handlePacket(1, 1, server.protectRtcp(other));
        expect(drain(connection).datagrams).toBe(0);
      },
    ),
    { numRuns: 500 },
  );
});

it('requests for all it has sent, over and over, are answered within a budget', () => {
  const { connection, server } = connectionWithServer();
  const video = connection.video!;
  const size = { widthPx: 640, heightPx: 360 };
  const data = new Uint8Array(1_100_000);
  connection.sendVideo(1, { data, timestampTicks: 0, isKeyFrame: true, size });
  drain(connection);
  const sequences = Array.from({ length: 0x10000 }, (_, at) => at);
  const mediaSsrc = video.ssrc;
  let repairs = 0;
  for (let now = 2; now < 1002; now += 10) {
    const asked = sequences.slice(0, 8000).map((at) => (at + now * 31) & 0xffff);
    for (const part of [asked.slice(0, 4000), asked.slice(4000)]) {
      const nack = encodeRtcp([{ type: 'nack', senderSsrc: 1, mediaSsrc, sequences: part }]);
      connection.handlePacket(now, now, server.protectRtcp(nack));
    }
    repairs += drain(connection).datagrams;
  }
  expect(repairs).toBeGreaterThan(100);
  expect(repairs).toBeLessThanOrEqual(1000);
});

it('frames without an end take no more than a bounded memory', () => {
  const assembler = new FrameAssembler('video');
  const fixed = { payloadType: 100, ssrc: 1, csrcs: [9], extensions: [], paddingLength: 0 };
  const payload = new Uint8Array(1200);
  payload[0] = 0x10;
  const lost: number[] = [];
  for (let sequence = 0; sequence < 10_000; sequence++) {
    const packet = {
      ...fixed,
      sequence: sequence & 0xffff,
      timestamp: 5,
      marker: false,
      payload: payload.slice(),
    };
    if (sequence > 0) packet.payload[0] = 0;
    for (const media of assembler.take({ type: 'packet', packet })) {
      expect(media.type).toBe('lost');
      if (media.type === 'lost') lost.push(media.packets);
    }
  }
  expect(lost).toEqual([Math.floor((4 * 1024 * 1024) / 1199) + 1]);
});

it('a damaged offer is refused or read, and never more than that', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(OFFER.length - 1), fc.nat(30), fc.string({ maxLength: 20 })), {
        minLength: 1,
        maxLength: 5,
      }),
      (cuts) => {
        let text = OFFER;
        for (const [at, length, put] of cuts) text = text.slice(0, at) + put + text.slice(at + length);
        try {
          readConferenceOffer(text);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      },
    ),
    { numRuns: 500 },
  );
});
