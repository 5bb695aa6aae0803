// The server under test as its operator runs it, with clients that join by Wire's protocol.
import { extensionIdOf, NodeClient, payloadTypeOf } from '../../packages/testkit/dist/index.js';
import { startSftProcess } from '../../tests/dist/sft-process.js';
import { frames } from '../scenario.mjs';

const uris = {
  audioLevel: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  absSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  transportSequence: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  genericFrameDescriptor: 'http://www.webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00',
};
const profileNames = { 1: 'aes-128-cm-sha1-80', 7: 'aes-128-gcm' };
const JOINING_AT_ONCE = 25;
/** Clients say now and then that they live. */
const PING_MS = 5000;
const QUALITY = { low: 1, high: 2, single: 2 };

const idsOf = (section) =>
  Object.fromEntries(Object.entries(uris).map(([name, uri]) => [name, extensionIdOf(section, uri)]));

/** Starts an SFT pinned to a core. `sending`: as its flag --packet-sending. */
export async function startConclave({
  generator,
  identity,
  profile,
  cpu,
  sending = 'segmented',
  flags = [],
}) {
  const sft = await startSftProcess({
    prefix: ['taskset', '-c', cpu],
    flags: [
      ...['--packet-sending', sending, '--srtp-profiles', profileNames[profile]],
      ...['--request-rate', '100000', '--request-burst', '100000', '--max-connections', '5000'],
      ...flags,
    ],
  });
  let conversations = 0;

  const join = async (conversation, scenario, person) => {
    let media;
    const published = scenario.publish(person);
    const client = new NodeClient({
      sft: sft.url,
      conversation,
      identity,
      srtpProfiles: [profile],
      videoSlots: Math.max(1, scenario.watch(person).length),
      ...(published.low ? { video: 'simulcast' } : published.high ? { video: 'single' } : {}),
      openSocket: (_address, onMessage) => {
        media = generator.open(onMessage);
        return media;
      },
    });
    const started = performance.now();
    await client.join();
    const joinMs = performance.now() - started;
    // From now on: who joins a large conference first must not be taken for gone when the last one comes.
    const ping = { type: 'PING', resp: false, dest_userid: 'sft', dest_clientid: 'SFT' };
    const pinging = setInterval(() => client.send(ping), PING_MS);
    media.setServer(client.path);
    return { client, media, published, joinMs, pinging };
  };

  const streamsOf = (member, scenario, person) => {
    const { client, media, published } = member;
    const streams = [];
    const add = (stream, options) => {
      const fanout = scenario.fanout(person, stream);
      const number = generator.addStream(media.endpoint, { ...options, frame: frames[stream] });
      streams.push({ number, fanout });
    };
    const section = (mid) => client.offer.sections.find((candidate) => candidate.mid === mid);
    if (published.audio !== undefined) {
      const ids = idsOf(section('audio'));
      const payloadType = payloadTypeOf(section('audio'), 'opus');
      add('audio', { audio: true, ssrc: client.audioSsrc, payloadType, level: published.audio, ids });
    }
    if (!published.high) return streams;
    const ids = idsOf(section('video'));
    const payloadType = payloadTypeOf(section('video'), 'VP8');
    add('high', { ssrc: client.videoSsrc, payloadType, ids, rid: published.low ? 'h' : '' });
    if (published.low) add('low', { ssrc: (client.videoSsrc + 1) >>> 0, payloadType, ids, rid: 'l' });
    return streams;
  };

  return {
    pids: [sft.pid],
    url: sft.url,
    async open(scenario) {
      conversations += 1;
      const conversation = `bench${conversations}`;
      const members = [];
      for (let at = 0; at < scenario.people; at += JOINING_AT_ONCE) {
        const count = Math.min(JOINING_AT_ONCE, scenario.people - at);
        const group = Array.from({ length: count }, (_, i) => join(conversation, scenario, at + i));
        members.push(...(await Promise.all(group)));
      }
      await Promise.all(
        members.map(({ client }) =>
          client.until('all are listed', () => client.roster.length === scenario.people, 60_000),
        ),
      );
      members.forEach(({ client }, person) => {
        const streams = scenario.watch(person).map(({ person: other, layer }) => ({
          userid: members[other].client.userId,
          quality: QUALITY[layer],
        }));
        if (streams.length > 0) client.send({ type: 'CONFSTREAMS', resp: false, mode: 'list', streams });
      });
      const streams = members.flatMap((member, person) => streamsOf(member, scenario, person));
      return {
        streams,
        joinMs: members.map((member) => member.joinMs),
        close: () => {
          for (const { client, pinging } of members) {
            clearInterval(pinging);
            client.close();
          }
        },
      };
    },
    stop: () => sft.stop(),
  };
}
