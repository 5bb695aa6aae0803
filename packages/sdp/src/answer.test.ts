import { readFileSync } from 'node:fs';
import { FormatError } from '@conclave/bytes';
import { describe, expect, test } from 'vitest';
import { type Answer, MAX_CANDIDATES, parseAnswer } from './index.ts';

function captured(name: string): string {
  return readFileSync(new URL(`../test/testdata/${name}.sdp`, import.meta.url), 'utf8');
}

const avs = captured('avs-answer');
const chromium = captured('chromium-simulcast-answer');

function codeOf(text: string): string {
  try {
    parseAnswer(text);
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** The text with every occurrence changed; fails when there is none, so that no case tests nothing. */
function changed(text: string, from: string | RegExp, to: string): string {
  const result = typeof from === 'string' ? text.replaceAll(from, to) : text.replace(from, to);
  if (result === text) throw new Error(`nothing to change: ${from}`);
  return result;
}

test('the answer of Firefox: a fingerprint for all, directions of extensions, SSRCs beside rids', () => {
  const answer = parseAnswer(captured('firefox-simulcast-answer'));
  expect(answer.fingerprint.value).toMatch(/^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/);
  expect(answer.setup).toBe('active');
  expect(answer.ice.candidates).toHaveLength(4);
  expect(answer.audio).toMatchObject({
    direction: 'sendrecv',
    ssrc: 428_464_499,
    extensions: { audioLevel: 1, transportSequence: 3 },
  });
  expect(answer.video).toMatchObject({
    rids: ['l', 'h'],
    ssrcs: [3_077_687_098, 1_408_827_036],
    repairs: [
      { ssrc: 3_077_687_098, rtxSsrc: 4_281_027_479 },
      { ssrc: 1_408_827_036, rtxSsrc: 1_687_991_506 },
    ],
    rtx: true,
  });
  expect(answer.video?.extensions).toEqual({
    absSendTime: 2,
    transportSequence: 3,
    rid: 4,
    repairedRid: 5,
  });
  expect(answer.slots).toHaveLength(14);
  expect(answer.data.maxMessageSize).toBe(1_073_741_823);
});

describe("the answer of Wire's library", () => {
  const answer: Answer = parseAnswer(avs);

  test('gives the transport from the first section', () => {
    expect(answer.ice.ufrag).toBe('qAeu');
    expect(answer.ice.pwd).toBe('9bU719MlJV07wba7q2EO4ZmK');
    expect(answer.ice.candidates).toHaveLength(4);
    expect(answer.ice.candidates[2]).toBe(
      '924335567 1 udp 2122267903 ::1 51838 typ host generation 0 network-id 4 network-cost 50',
    );
    expect(answer.fingerprint.algorithm).toBe('sha-256');
    expect(answer.fingerprint.value).toMatch(/^D8:76:98:24:3C:7D(:[0-9A-F]{2}){26}$/);
    expect(answer.setup).toBe('active');
    expect(answer.tool).toBe('wasm-default: avs 10.5.8 (?/?)');
  });

  test('gives the audio with its SSRC and constant bit rate', () => {
    expect(answer.audio).toEqual({
      mid: 'audio',
      direction: 'sendrecv',
      payloadType: 111,
      rtxPayloadType: undefined,
      extensions: { audioLevel: 1, absSendTime: 2 },
      feedback: { nack: false, pli: false, fir: false, transportCc: true },
      ssrc: 3_874_706_046,
      cbr: true,
    });
  });

  test('gives the video by rids', () => {
    expect(answer.video).toEqual({
      mid: 'video',
      direction: 'sendrecv',
      payloadType: 100,
      rtxPayloadType: undefined,
      extensions: {
        absSendTime: 2,
        transportSequence: 3,
        rid: 4,
        repairedRid: 5,
        genericFrameDescriptor: 11,
      },
      feedback: { nack: false, pli: false, fir: false, transportCc: true },
      rids: ['l', 'h'],
      ssrcs: [],
      repairs: [],
      rtx: false,
    });
  });

  test('accepts all slots, and the data channel in the older form', () => {
    expect(answer.slots.map((slot) => slot.mid).join(' ')).toBe('1 2 3 4 5 6 7 8 9 10 11 12 13 14');
    expect(answer.slots.map((slot) => slot.kind[0]).join('')).toBe('aaaaavvvvvvvvv');
    expect(answer.data).toEqual({ port: 5000, maxMessageSize: 262_144 });
  });
});

test("Wire's library keeps retransmission and all feedback when they are offered", () => {
  const answer = parseAnswer(captured('avs-simulcast-answer'));
  const feedback = { nack: true, pli: true, fir: true, transportCc: true };
  expect(answer.video).toMatchObject({ rids: ['l', 'h'], rtxPayloadType: 101, feedback });
  expect(answer.slots).toHaveLength(14);
  expect(answer.slots[13]).toMatchObject({ mid: '14', rtxPayloadType: 101, feedback });
  expect(answer.slots[13]?.extensions).toEqual({
    absSendTime: 2,
    transportSequence: 3,
    genericFrameDescriptor: 11,
  });
});

describe('answers of Chromium', () => {
  test('with simulcast: rids, and retransmission without SSRCs', () => {
    const { video, audio, slots } = parseAnswer(chromium);
    expect(video).toMatchObject({ rids: ['l', 'h'], ssrcs: [], repairs: [], rtx: true, rtxPayloadType: 101 });
    expect(video?.feedback).toEqual({ nack: true, pli: true, fir: true, transportCc: true });
    expect(audio.ssrc).toBeGreaterThan(0);
    expect(audio.cbr).toBe(false);
    expect(slots.filter((slot) => slot.kind === 'video')).toHaveLength(9);
    for (const slot of slots.filter((s) => s.kind === 'video')) {
      expect(slot).toMatchObject({ rtxPayloadType: 101, extensions: { transportSequence: 3 } });
    }
  });

  test('with one layer: its SSRC and that of its retransmissions', () => {
    const { video } = parseAnswer(captured('chromium-single-layer-answer'));
    expect(video?.rids).toEqual([]);
    expect(video?.ssrcs).toHaveLength(1);
    expect(video?.repairs).toEqual([{ ssrc: video?.ssrcs[0], rtxSsrc: expect.any(Number) }]);
  });

  test('without a camera: a video section that only receives', () => {
    expect(parseAnswer(captured('chromium-audio-answer')).video?.direction).toBe('recvonly');
  });
});

describe('what an answer may leave out or vary', () => {
  test('LF line ends', () => {
    expect(parseAnswer(changed(avs, '\r\n', '\n'))).toEqual(parseAnswer(avs));
  });

  test('the SSRC of audio', () => {
    expect(parseAnswer(changed(avs, /a=ssrc:.*\r\n/, '')).audio.ssrc).toBeUndefined();
  });

  test('all candidates: they are learned from checks', () => {
    expect(parseAnswer(changed(avs, /(a=candidate:.*\r\n)+/, '')).ice.candidates).toEqual([]);
  });

  test('transport attributes in the session instead of the sections', () => {
    const bare = avs.replace(/a=(ice-ufrag|ice-pwd|fingerprint|setup):.*\r\n/g, '');
    const lines = avs
      .match(/a=(ice-ufrag|ice-pwd|fingerprint|setup):.*\r\n/g)
      ?.slice(0, 4)
      .join('');
    expect(parseAnswer(changed(bare, /(?=m=audio)/, `${lines}`))).toEqual(parseAnswer(avs));
  });

  test('transport attributes of all sections but the first', () => {
    const [head, first, ...others] = avs.split(/(?=^m=)/m);
    const lean = others.join('').replace(/a=(ice-ufrag|ice-pwd|fingerprint|setup):.*\r\n/g, '');
    expect(parseAnswer(`${head}${first}${lean}`)).toEqual(parseAnswer(avs));
  });

  test('video, by rejecting it', () => {
    expect(parseAnswer(changed(avs, 'm=video 9 ', 'm=video 0 ')).video).toBeUndefined();
    expect(parseAnswer(changed(avs, 'm=video 9 ', 'm=video 0 ')).slots).toHaveLength(5);
  });

  test('a section, by leaving it out of the bundle', () => {
    expect(parseAnswer(changed(avs, 'audio video data 1 ', 'audio data ')).video).toBeUndefined();
    expect(parseAnswer(changed(avs, 'audio video data 1 ', 'audio data ')).slots).toHaveLength(13);
  });

  test('extensions: what is left out is not in use', () => {
    const text = changed(avs, /a=extmap:\d+ [^\r]*(ssrc-audio-level|generic-frame-descriptor-00)\r\n/g, '');
    expect(parseAnswer(text).audio.extensions).toEqual({ absSendTime: 2 });
    expect(parseAnswer(text).video?.extensions.genericFrameDescriptor).toBeUndefined();
  });

  test('payload types are those of the answer, and an extension with a number of its own is none', () => {
    const renumbered = changed(changed(avs, /\b111\b/g, '96'), 'extmap:1 ', 'extmap:200 ');
    const { audio } = parseAnswer(renumbered);
    expect(audio.payloadType).toBe(96);
    expect(audio.extensions.audioLevel).toBeUndefined();
  });

  test('an extension with a direction, or switched off by it', () => {
    expect(parseAnswer(changed(avs, 'extmap:1 ', 'extmap:1/sendonly ')).audio.extensions.audioLevel).toBe(1);
    expect(
      parseAnswer(changed(avs, 'extmap:1 ', 'extmap:1/inactive ')).audio.extensions.audioLevel,
    ).toBeUndefined();
  });

  test('a slot that receives nothing is none', () => {
    expect(parseAnswer(changed(avs, 'a=recvonly', 'a=inactive')).slots).toEqual([]);
  });

  test('feedback for all payload types at once', () => {
    expect(
      parseAnswer(changed(avs, 'a=rtcp-fb:100 transport-cc', 'a=rtcp-fb:* nack')).video?.feedback,
    ).toEqual({
      nack: true,
      pli: false,
      fir: false,
      transportCc: false,
    });
  });

  test.each([
    ['h;l', ['h', 'l']],
    ['h;~l', ['h', 'l']],
    ['l,h', ['l']],
    ['l;x', ['l']],
    ['', []],
  ])('simulcast list %j', (list, rids) => {
    expect(parseAnswer(changed(avs, 'a=simulcast:send l;h', `a=simulcast:send ${list}`)).video?.rids).toEqual(
      rids,
    );
  });

  test('retransmission of another payload type is none of ours', () => {
    expect(parseAnswer(changed(chromium, 'apt=100', 'apt=99')).video?.rtx).toBe(false);
  });

  test.each([
    ['a=sctp-port:5000', { port: 5000, maxMessageSize: 65_536 }],
    ['a=sctp-port:5001\r\na=max-message-size:1000000', { port: 5001, maxMessageSize: 1_000_000 }],
    ['a=sctp-port:5000\r\na=max-message-size:0', { port: 5000, maxMessageSize: Number.POSITIVE_INFINITY }],
  ])('the newer form of the data section: %s', (lines, data) => {
    const newer = changed(avs, 'DTLS/SCTP 5000', 'UDP/DTLS/SCTP webrtc-datachannel');
    expect(parseAnswer(changed(newer, /a=sctpmap:.*(?=\r)/, lines)).data).toEqual(data);
  });

  test('more candidates than are kept', () => {
    const many = 'a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n'.repeat(MAX_CANDIDATES + 50);
    expect(parseAnswer(changed(avs, /(a=candidate:.*\r\n)+/, many)).ice.candidates).toHaveLength(
      MAX_CANDIDATES,
    );
  });

  test('a certificate with more than one hash', () => {
    const text = changed(avs, 'a=fingerprint:sha-256', 'a=fingerprint:sha-1 00:11\r\na=fingerprint:SHA-256');
    expect(parseAnswer(text).fingerprint).toEqual(parseAnswer(avs).fingerprint);
  });

  test('control characters in the tool are not passed on', () => {
    expect(parseAnswer(changed(avs, 'a=tool:wasm', 'a=tool:\x1b[31m')).tool).toMatch(/^\?\[31m/);
  });
});

describe('an answer is refused', () => {
  test.each([
    ['nothing', () => '', 'not-sdp'],
    ['JSON', () => '{"sdp":"v=0"}', 'not-sdp'],
    ['no first line', () => changed(avs, 'v=0\r\n', ''), 'not-sdp'],
    ['too long a text', () => avs + 'a=x\r\n'.repeat(7000), 'sdp-too-long'],
    ['too many lines', () => avs + 'a=\r\n'.repeat(2000), 'too-many-lines'],
    ['too many sections', () => avs + 'm=audio 0 RTP 0\r\n'.repeat(50), 'too-many-sections'],
    ['a line without a letter', () => changed(avs, 's=-', 'session'), 'bad-line'],
    ['an empty line', () => changed(avs, 's=-\r\n', 's=-\r\n\r\n'), 'bad-line'],
    ['a bare CR', () => changed(avs, 's=-', 's=-\ra=x'), 'bad-line'],
    ['a NUL', () => changed(avs, 's=-', 's=\0'), 'bad-line'],
    ['an m= line without a port', () => changed(avs, 'm=audio 43785 ', 'm=audio '), 'bad-media-line'],
    ['a port beyond 65535', () => changed(avs, 'm=audio 43785', 'm=audio 65536'), 'bad-media-line'],
    ['audio rejected', () => changed(avs, 'm=audio 43785', 'm=audio 0'), 'audio-rejected'],
    ['no section at all', () => avs.split('m=')[0] ?? '', 'audio-rejected'],
    ['audio not bundled', () => changed(avs, 'BUNDLE audio', 'BUNDLE'), 'not-bundled'],
    ['no Opus', () => changed(avs, 'opus/48000/2', 'PCMU/8000'), 'missing-opus'],
    [
      'Opus of a payload type not in the m= line',
      () => changed(avs, 'SAVPF 111', 'SAVPF 112'),
      'missing-opus',
    ],
    ['no RTCP multiplexing', () => changed(avs, 'a=rtcp-mux\r\n', ''), 'missing-rtcp-mux'],
    ['no ufrag', () => changed(avs, /a=ice-ufrag:.*\r\n/g, ''), 'missing-ice-ufrag'],
    ['a short ufrag', () => changed(avs, 'qAeu', 'qAe'), 'bad-ice-ufrag'],
    ['a ufrag with a colon', () => changed(avs, 'qAeu', 'qA:eu'), 'bad-ice-ufrag'],
    ['a long ufrag', () => changed(avs, 'qAeu', 'q'.repeat(257)), 'bad-ice-ufrag'],
    ['no password', () => changed(avs, /a=ice-pwd:.*\r\n/g, ''), 'missing-ice-pwd'],
    ['a short password', () => changed(avs, '9bU719MlJV07wba7q2EO4ZmK', 'short'), 'bad-ice-pwd'],
    ['no fingerprint', () => changed(avs, /a=fingerprint:.*\r\n/g, ''), 'missing-fingerprint'],
    ['another hash', () => changed(avs, 'sha-256', 'sha-1'), 'missing-fingerprint'],
    ['a short fingerprint', () => changed(avs, 'D8:76:', ''), 'missing-fingerprint'],
    ['no setup', () => changed(avs, /a=setup:.*\r\n/g, ''), 'missing-setup'],
    ['setup actpass', () => changed(avs, 'setup:active', 'setup:actpass'), 'bad-setup'],
    ['setup holdconn', () => changed(avs, 'setup:active', 'setup:holdconn'), 'bad-setup'],
    ['the data channel rejected', () => changed(avs, 'm=application 9', 'm=application 0'), 'data-rejected'],
    ['no port of SCTP', () => changed(avs, 'DTLS/SCTP 5000', 'DTLS/SCTP x'), 'missing-sctp-port'],
    ['SCTP port 0', () => changed(avs, 'a=sctpmap:5000', 'a=sctp-port:0'), 'missing-sctp-port'],
    ['a mid twice', () => changed(avs, 'a=mid:2', 'a=mid:1'), 'duplicate-mid'],
    [
      'an extension id twice in a section',
      () => changed(avs, 'extmap:2 ', 'extmap:1 '),
      'duplicate-extension-id',
    ],
    [
      'an extension id with two meanings',
      () => changed(avs, /extmap:3 http/, 'extmap:2 http'),
      'duplicate-extension-id',
    ],
    ['a payload type with two meanings', () => changed(avs, /\b100\b/g, '111'), 'payload-type-conflict'],
  ])('%s', (_, text, code) => {
    expect(codeOf(text())).toBe(code);
  });
});
