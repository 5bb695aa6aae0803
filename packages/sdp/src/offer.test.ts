import * as sdpTransform from 'sdp-transform';
import { describe, expect, test } from 'vitest';
import { sampleOptions, slotsFrom } from '../test/sample-offer.ts';
import { buildOffer, EXTENSION_URIS, ExtensionId, PayloadType, parseSessionText } from './index.ts';

const offer = buildOffer(sampleOptions());
const sections = offer.split(/(?=^m=)/m);
const sectionOf = (mid: string): string => sections.find((s) => s.includes(`a=mid:${mid}\r\n`)) ?? '';

describe('the whole offer', () => {
  test('ends every line with CRLF and has no empty line', () => {
    expect(offer.endsWith('\r\n')).toBe(true);
    expect(offer.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(offer).not.toContain('\r\n\r\n');
  });

  test('is ASCII, so that its length is its size', () => {
    expect(Buffer.byteLength(offer)).toBe(offer.length);
  });

  test('names the server in the way that clients look for', () => {
    expect(/a=tool:sftd (\d+)\.(\d+)/.exec(offer)?.slice(1)).toEqual(['5', '0']);
  });

  test('bundles all sections in order: audio, video, data, then the slots', () => {
    const mids = [...offer.matchAll(/^a=mid:(.*)\r$/gm)].map((match) => match[1]);
    expect(mids).toEqual(['audio', 'video', 'data', ...Array.from({ length: 14 }, (_, i) => String(i + 1))]);
    expect(offer).toContain(`a=group:BUNDLE ${mids.join(' ')}\r\n`);
  });

  test('has the candidates in the first section only, and says that there are no more', () => {
    expect(sections[1]?.match(/^a=candidate:/gm)).toHaveLength(6);
    expect(sections[1]).toContain('a=end-of-candidates\r\n');
    expect(sections.slice(2).join('')).not.toMatch(/candidate/);
  });

  test('repeats ICE credentials, fingerprint and setup in every section', () => {
    for (const section of sections.slice(1)) {
      expect(section).toContain(
        'a=ice-ufrag:abcdEFGH\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 ',
      );
      expect(section).toContain('a=setup:actpass\r\n');
    }
  });

  test('writes an IPv6 origin as such', () => {
    const text = buildOffer(sampleOptions({ originAddress: '2001:db8::1' }));
    expect(text).toContain('o=- 4611686018427387904 1 IN IP6 2001:db8::1\r\n');
    expect(text).toContain('c=IN IP6 2001:db8::1\r\n');
  });

  test('is read back by an independent parser', () => {
    const parsed = sdpTransform.parse(offer);
    expect(parsed.media).toHaveLength(17);
    expect(parsed.media[1]?.simulcast).toEqual({ dir1: 'recv', list1: 'l;h' });
    expect(parsed.media[16]?.ssrcGroups).toEqual([{ semantics: 'FID', ssrcs: '4000000028 4000000029' }]);
    expect(
      parsed.media[16]?.rtp.map((r: { payload: number; codec: string }) => [r.payload, r.codec]),
    ).toEqual([
      [PayloadType.vp8, 'VP8'],
      [PayloadType.rtx, 'rtx'],
    ]);
    expect(parsed.media[0]?.candidates?.[5]).toMatchObject({ type: 'relay', port: 54_321 });
  });

  test('is read back by our own parser', () => {
    expect(parseSessionText(offer).sections).toHaveLength(17);
  });
});

describe('the audio section', () => {
  test('has Opus at 40 ms, ready for clients that add cbr', () => {
    const text = sectionOf('audio');
    expect(text.startsWith('m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n')).toBe(true);
    expect(text).toContain('a=fmtp:111 stereo=0;sprop-stereo=0;useinbandfec=1;cbr=1\r\n');
    expect(text).toContain('a=ptime:40\r\n');
    expect(text).toContain('a=sendrecv\r\n');
    expect(text).not.toContain('a=ssrc');
  });

  test('asks for transport-wide feedback on audio, where browsers probe before their camera is ready', () => {
    expect(sectionOf('audio')).toContain('a=rtcp-fb:111 transport-cc\r\n');
    expect(sectionOf('audio')).toContain(`a=extmap:3 ${EXTENSION_URIS.transportSequence}\r\n`);
    expect(sectionOf('1')).not.toMatch(/transport-cc|transport-wide/);
  });

  test('offers nack for audio only when told', () => {
    expect(offer).not.toContain('a=rtcp-fb:111 nack');
    expect(buildOffer(sampleOptions({ audioNack: true })).match(/a=rtcp-fb:111 nack\r/g)).toHaveLength(6);
  });
});

describe('the main video section', () => {
  test('asks for two layers with the text that clients look for', () => {
    expect(sectionOf('video')).toContain('a=rid:l recv\r\na=rid:h recv\r\na=simulcast:recv l;h\r\n');
  });

  test('asks for one layer when the client knows no simulcast', () => {
    const text = buildOffer(sampleOptions({ simulcast: false }));
    expect(text).not.toMatch(/a=rid|a=simulcast/);
  });

  test('has a media-level msid and one track id', () => {
    const ids = [...sectionOf('video').matchAll(/msid:(\S+ \S+)/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(1);
    expect(sectionOf('video')).toContain('\r\na=msid:');
  });

  test.each(['audioLevel', 'dependencyDescriptor'] as const)('does not offer %s', (name) => {
    expect(sectionOf('video')).not.toContain(EXTENSION_URIS[name]);
  });

  test.each(['absSendTime', 'transportSequence', 'rid', 'repairedRid', 'genericFrameDescriptor'] as const)(
    'offers %s',
    (name) => {
      expect(sectionOf('video')).toContain(`a=extmap:${ExtensionId[name]} ${EXTENSION_URIS[name]}\r\n`);
    },
  );

  test('offers the dependency descriptor when told, here and in the video slots', () => {
    const text = buildOffer(sampleOptions({ dependencyDescriptor: true }));
    expect(text.match(/a=extmap:6 /g)).toHaveLength(10);
  });
});

describe('slots', () => {
  test.each(['video', '6', '14'])('section %s has feedback and retransmission', (mid) => {
    const text = sectionOf(mid);
    for (const kind of ['nack', 'nack pli', 'ccm fir']) expect(text).toContain(`a=rtcp-fb:100 ${kind}\r\n`);
    expect(text).toContain('a=rtpmap:101 rtx/90000\r\na=fmtp:101 apt=100\r\n');
  });

  test('transport-wide feedback is asked for only where the client sends', () => {
    expect(sectionOf('video')).toContain('a=rtcp-fb:100 transport-cc\r\n');
    for (const mid of ['6', '14']) expect(sectionOf(mid)).not.toMatch(/transport-cc|transport-wide/);
  });

  test('a video slot names its track for both SSRCs', () => {
    expect(sectionOf('6')).toContain(
      'a=ssrc:4000000012 cname:vx6\r\na=ssrc:4000000012 msid:vx6 vx6\r\n' +
        'a=ssrc-group:FID 4000000012 4000000013\r\n' +
        'a=ssrc:4000000013 cname:vx6\r\na=ssrc:4000000013 msid:vx6 vx6\r\n',
    );
  });

  test('clients find the track of an SSRC by their own pattern', () => {
    const match = /a=ssrc:(\d+) msid:(.*) (.*)/.exec(sectionOf('1'));
    expect(match?.slice(1)).toEqual(['4000000002', 'ax1', 'ax1']);
  });

  test('are sendonly', () => {
    for (const mid of ['1', '5', '6', '14']) expect(sectionOf(mid)).toContain('a=sendonly\r\n');
  });

  test('without audio slots the video slots begin at mid 1', () => {
    const text = buildOffer(sampleOptions({ audioSlots: [], videoSlots: slotsFrom(1, 2, 'video') }));
    expect(text).toContain('a=group:BUNDLE audio video data 1 2\r\n');
  });
});

describe('the data section', () => {
  test('has the older form by default, with the message size', () => {
    expect(sectionOf('data')).toMatch(/^m=application 9 DTLS\/SCTP 5000\r\n/);
    expect(sectionOf('data')).toContain(
      'a=sctpmap:5000 webrtc-datachannel 16\r\na=max-message-size:262144\r\n',
    );
  });

  test('has the form of RFC 8841 when told', () => {
    const text = buildOffer(sampleOptions({ dataForm: 'sctp-port' }));
    expect(text).toContain('m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n');
    expect(text).toContain('a=sctp-port:5000\r\n');
    expect(text).not.toContain('sctpmap');
  });
});

describe('misuse', () => {
  test.each([
    ['a line break in the tool', { tool: 'sftd 5.0\r\na=ice-lite' }],
    ['a line break in a candidate', { candidates: ['1 1 UDP 1 192.0.2.1 1 typ host\na=x'] }],
    ['a blank in a slot id', { audioSlots: [{ mid: '1', ssrc: 1, id: 'a b' }] }],
    ['a long slot id', { audioSlots: [{ mid: '1', ssrc: 1, id: 'abcdefghi' }] }],
  ])('%s is a TypeError', (_, changes) => {
    expect(() => buildOffer(sampleOptions(changes))).toThrow(TypeError);
  });
});
