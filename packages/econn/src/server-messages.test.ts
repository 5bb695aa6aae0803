import { describe, expect, test } from 'vitest';
import {
  ConnectStatus,
  connectOkMessage,
  connectRefusalMessage,
  encodeMessage,
  forwardedPropsMessage,
  hangupMessage,
  parseConversationHash,
  participantsMessage,
  pingResponseMessage,
  serverPropsMessage,
  setupMessage,
  updateMessage,
} from './index.ts';

const G = parseConversationHash('G');
const A = { userId: 'A', clientId: '_' };
const B = { userId: 'B', clientId: '_' };
const SERVER_PROPS = '"props":{"videosend":"true","screensend":"false","audiocbr":"false","muted":"false"}';
const HEAD = '{"version":"3.0","type":';
const SDP = 'v=0\r\no=-';
const SDP_JSON = '"sdp":"v=0\\r\\no=-"';

// The texts are those of the reference server, field by field.
describe('what a server says', () => {
  test('SETUP with the offer', () => {
    expect(encodeMessage(setupMessage({ conversation: G, sdp: SDP, url: 'U' }))).toBe(
      `${HEAD}"SETUP","sessid":"G","src_userid":"sft","src_clientid":"_","resp":false,${SDP_JSON},${SERVER_PROPS},"url":"U"}`,
    );
  });

  test('SETUP of a federated server', () => {
    expect(
      encodeMessage(setupMessage({ conversation: G, sdp: SDP, url: 'U', sftTuple: '127.0.0.1:9191/16641' })),
    ).toMatch(/,"url":"U","sft_tuple":"127.0.0.1:9191\/16641"}$/);
  });

  test('UPDATE of a running call: with receiver, without URL', () => {
    expect(encodeMessage(updateMessage({ conversation: G, sdp: SDP, to: A }))).toBe(
      `${HEAD}"UPDATE","sessid":"G","src_userid":"sft","src_clientid":"_","dest_userid":"A","dest_clientid":"_","resp":false,${SDP_JSON},${SERVER_PROPS}}`,
    );
  });

  test('CONFCONN that confirms an answer', () => {
    expect(encodeMessage(connectOkMessage('G'))).toBe(
      `${HEAD}"CONFCONN","sessid":"G","src_userid":"sft","src_clientid":"sft","resp":true,"update":false,"tool":"","toolver":"","status":0,"selective_audio":false,"selective_video":false,"vstreams":0}`,
    );
  });

  test.each([
    [ConnectStatus.versionBlacklisted, 1],
    [ConnectStatus.authInvalid, 2],
    [ConnectStatus.authExpired, 3],
    [ConnectStatus.authLimit, 4],
    [ConnectStatus.mayNotStart, 5],
  ] as const)('CONFCONN that refuses with status %d', (status, number) => {
    expect(encodeMessage(connectRefusalMessage(G, status))).toBe(
      `${HEAD}"CONFCONN","sessid":"G","resp":false,"update":false,"tool":"","toolver":"","status":${number},"selective_audio":false,"selective_video":false,"vstreams":0}`,
    );
  });

  test('PROPSYNC of the server', () => {
    expect(encodeMessage(serverPropsMessage(G, A, { response: false, audioCbr: true }))).toBe(
      `${HEAD}"PROPSYNC","sessid":"G","src_userid":"sft","src_clientid":"_","dest_userid":"A","dest_clientid":"_","resp":false,"props":{"videosend":"true","screensend":"false","audiocbr":"true","muted":"false"}}`,
    );
  });

  test('PROPSYNC of another participant, forwarded with what the server does not know', () => {
    const props = {
      videosend: 'true',
      screensend: 'false',
      audiocbr: 'false',
      muted: 'false',
      keysync: '0',
      x: 'y',
    };
    expect(encodeMessage(forwardedPropsMessage(B, props))).toBe(
      `${HEAD}"PROPSYNC","sessid":"","src_userid":"B","src_clientid":"_","resp":true,"props":{"videosend":"true","screensend":"false","audiocbr":"false","muted":"false","keysync":"0","x":"y"}}`,
    );
  });

  test('CONFPART', () => {
    const participant = { clientId: '_', authorized: false, muted: false };
    const message = participantsMessage({
      shouldStart: false,
      timestampMs: 1_795_232_403_646,
      sequenceNumber: 2,
      entropy: '6ejlghrJt2jIq8PwB4jYrA==',
      participants: [
        { ...participant, userId: 'A', audioSsrc: 1_747_620_162, videoSsrc: 2_187_021_028, timestamp: 0 },
        { ...participant, userId: 'B', audioSsrc: 1_888_375_222, videoSsrc: 1_867_002_102, timestamp: 1 },
      ],
      sfts: ['U'],
    });
    expect(encodeMessage(message)).toBe(
      `${HEAD}"CONFPART","sessid":"","resp":false,"should_start":false,"timestamp":"1795232403646","seqno":"2","entropy":"6ejlghrJt2jIq8PwB4jYrA==","participants":[{"userid":"A","clientid":"_","authorized":false,"ssrc_audio":"1747620162","ssrc_video":"2187021028","timestamp":0,"muted":false},{"userid":"B","clientid":"_","authorized":false,"ssrc_audio":"1888375222","ssrc_video":"1867002102","timestamp":1,"muted":false}],"sfts":["U"]}`,
    );
  });

  test('PING response', () => {
    expect(encodeMessage(pingResponseMessage(G, A))).toBe(
      `${HEAD}"PING","sessid":"G","src_userid":"sft","src_clientid":"_","dest_userid":"A","dest_clientid":"_","resp":true}`,
    );
  });

  test.each([false, true])('HANGUP with resp %s', (response) => {
    expect(encodeMessage(hangupMessage(G, B, { response }))).toBe(
      `${HEAD}"HANGUP","sessid":"G","src_userid":"sft","src_clientid":"_","dest_userid":"B","dest_clientid":"_","resp":${response}}`,
    );
  });
});
