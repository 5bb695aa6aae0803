import { expect, test } from 'vitest';
import { type ConferenceMessage, encodeMessage, parseMessage } from '../src/index.ts';

const PROPS = '"props":{"videosend":"false","screensend":"false","audiocbr":"false","muted":"false"}';
const B =
  '"userid":"B","clientid":"_","authorized":true,"ssrc_audio":"1888375222","ssrc_video":"1867002102","timestamp":1,"muted":false';

/** The messages of a two-client call as observed between the reference server and its clients. */
const MESSAGES: readonly [name: string, text: string][] = [
  [
    'CONFCONN of a client',
    '{"version":"3.0","type":"CONFCONN","sessid":"G","src_userid":"A","src_clientid":"_","dest_userid":"SFT","dest_clientid":"_","resp":false,"ice_servers":[{"urls":"turn:turn.example:3478","username":"d=1795236000.v=1.k=0.t=s.r=abc","credential":"c2VjcmV0"}],"update":false,"tool":"avs","toolver":"10.1.23","env":0,"status":0,"selective_audio":true,"selective_video":true,"vstreams":9,"username":"d=1795236000.v=1.k=0.s=1.r=abc","credential":"c2VjcmV0"}',
  ],
  [
    'CONFCONN of the library in version 10.5.8',
    '{"version":"3.0","type":"CONFCONN","sessid":"337c1d4c3d183624b040f9228f9abc45","src_userid":"dd180e94da981aca4099699fcef04c6a","src_clientid":"_","dest_userid":"SFT","dest_clientid":"_","resp":false,"update":false,"tool":"avs 10.5.8 (?/?)","toolver":"10.5.8","env":0,"status":0,"selective_audio":true,"selective_video":true,"vstreams":9}',
  ],
  [
    'SETUP offer',
    '{"version":"3.0","type":"SETUP","sessid":"G","src_userid":"sft","src_clientid":"_","resp":false,"sdp":"v=0\\r\\n","props":{"videosend":"true","screensend":"false","audiocbr":"false","muted":"false"},"url":"U"}',
  ],
  [
    'SETUP answer',
    `{"version":"3.0","type":"SETUP","sessid":"G","src_userid":"A","src_clientid":"_","dest_userid":"sft","dest_clientid":"SFT","resp":true,"sdp":"v=0\\r\\n",${PROPS}}`,
  ],
  [
    'UPDATE answer',
    `{"version":"3.0","type":"UPDATE","sessid":"G","src_userid":"A","src_clientid":"_","dest_userid":"sft","dest_clientid":"SFT","resp":true,"sdp":"v=0\\r\\n",${PROPS}}`,
  ],
  [
    'CONFCONN that confirms',
    '{"version":"3.0","type":"CONFCONN","sessid":"G","src_userid":"sft","src_clientid":"sft","resp":true,"update":false,"tool":"","toolver":"","status":0,"selective_audio":false,"selective_video":false,"vstreams":0}',
  ],
  [
    'CONFCONN that refuses',
    '{"version":"3.0","type":"CONFCONN","sessid":"G","resp":false,"update":false,"tool":"","toolver":"","status":1,"selective_audio":false,"selective_video":false,"vstreams":0}',
  ],
  [
    'PROPSYNC of the server',
    '{"version":"3.0","type":"PROPSYNC","sessid":"G","src_userid":"sft","src_clientid":"_","dest_userid":"A","dest_clientid":"_","resp":false,"props":{"videosend":"true","screensend":"false","audiocbr":"true","muted":"false"}}',
  ],
  [
    'PROPSYNC of a client',
    '{"version":"3.0","type":"PROPSYNC","sessid":"G","src_userid":"A","src_clientid":"_","dest_userid":"sft","dest_clientid":"SFT","resp":false,"props":{"videosend":"true","screensend":"false","audiocbr":"true","muted":"false"}}',
  ],
  [
    'PROPSYNC forwarded',
    '{"version":"3.0","type":"PROPSYNC","sessid":"","src_userid":"B","src_clientid":"_","resp":true,"props":{"videosend":"true","screensend":"false","audiocbr":"false","muted":"false","keysync":"0"}}',
  ],
  [
    'first CONFPART',
    '{"version":"3.0","type":"CONFPART","sessid":"","resp":false,"should_start":true,"timestamp":"1795232400015","seqno":"1","entropy":"A5ym/U0Cf9da8s4s+K3nKA==","participants":[{"userid":"aaaa0000aaaa0000aaaa0000aaaa0001","clientid":"_","authorized":false,"ssrc_audio":"1747620162","ssrc_video":"2187021028","timestamp":0,"muted":false}],"sfts":["http://127.0.0.1:18585"]}',
  ],
  [
    'CONFPART response of the first client',
    '{"version":"3.0","type":"CONFPART","sessid":"","src_userid":"A","src_clientid":"_","dest_userid":"SFT","dest_clientid":"SFT","resp":true,"should_start":false,"timestamp":"1795232400015","seqno":"1","entropy":"","participants":[],"sfts":[]}',
  ],
  [
    'CONFPART response that authorises',
    `{"version":"3.0","type":"CONFPART","sessid":"","src_userid":"A","src_clientid":"_","dest_userid":"SFT","dest_clientid":"SFT","resp":true,"should_start":false,"timestamp":"1795232400015","seqno":"1","entropy":"","participants":[{${B}}],"sfts":[]}`,
  ],
  [
    'CONFPART response of a newer client',
    '{"version":"3.0","type":"CONFPART","sessid":"","src_userid":"A","src_clientid":"_","dest_userid":"SFT","dest_clientid":"SFT","resp":true,"should_start":false,"timestamp":"0","seqno":"0","participants":[]}',
  ],
  [
    'CONFSTREAMS',
    '{"version":"3.0","type":"CONFSTREAMS","sessid":"G","src_userid":"A","src_clientid":"_","dest_userid":"SFT","dest_clientid":"SFT","resp":false,"mode":"list","streams":[{"userid":"B","quality":0}]}',
  ],
  [
    'PING',
    '{"version":"3.0","type":"PING","sessid":"G","src_userid":"A","src_clientid":"_","dest_userid":"sft","dest_clientid":"SFT","resp":false}',
  ],
  [
    'PING response',
    '{"version":"3.0","type":"PING","sessid":"G","src_userid":"sft","src_clientid":"_","dest_userid":"A","dest_clientid":"_","resp":true}',
  ],
  [
    'HANGUP',
    '{"version":"3.0","type":"HANGUP","sessid":"G","src_userid":"B","src_clientid":"_","dest_userid":"sft","dest_clientid":"SFT","resp":false}',
  ],
  [
    'SETUP between servers',
    '{"version":"3.0","type":"SETUP","sessid":"P","resp":false,"sdp":"","props":{"sft_call":"true"},"sft_tuple":"127.0.0.1:9191/16641"}',
  ],
  [
    'CONFCONN between servers',
    '{"version":"3.0","type":"CONFCONN","sessid":"P","src_userid":"P","dest_userid":"P","resp":false,"update":false,"tool":"","toolver":"","status":0,"selective_audio":false,"selective_video":false,"vstreams":0}',
  ],
  [
    'CONFPART between servers',
    '{"version":"3.0","type":"CONFPART","sessid":"G","src_userid":"sft.P.P","dest_userid":"P","resp":true,"should_start":false,"timestamp":"0","seqno":"3","entropy":"6ejlghrJt2jIq8PwB4jYrA==","participants":[],"sfts":["U"]}',
  ],
];

function encoded(message: ConferenceMessage): string {
  if (message.type === 'other') throw new Error('not a message of a server');
  return encodeMessage(message);
}

test.each(MESSAGES)('%s', (_, text) => {
  expect(encoded(parseMessage(text))).toBe(text);
  // The reference escapes slashes; both forms mean the same.
  expect(encoded(parseMessage(text.replaceAll('/', '\\/')))).toBe(text);
});
