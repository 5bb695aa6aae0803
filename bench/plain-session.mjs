// What the servers without Wire's protocol have in common: everybody publishes over one connection and receives over it
// or a second one.
import { randomInt } from 'node:crypto';
import { frames } from './scenario.mjs';

export const plainPayloadTypes = { audio: 111, video: 96 };
export const plainExtensionIds = { audioLevel: 1, absSendTime: 2, transportSequence: 3 };

/** Names of the streams a person receives. */
export function receivedBy(scenario, person) {
  const names = scenario.watch(person).map(({ person: other, layer }) => `${other}-${layer}`);
  for (const speaker of scenario.speakers) if (speaker !== person) names.push(`${speaker}-audio`);
  return names;
}

/**
 * Connects all publishers, then all receivers, each by a connection of its own. `connect({ person, publish, subscribe })`
 * resolves with a PlainClient.
 */
export async function connectEverybody({ generator, scenario }, connect) {
  const clients = [];
  const streams = [];
  const joinMs = [];
  const timed = async (request) => {
    const started = performance.now();
    const client = await connect(request);
    joinMs.push(performance.now() - started);
    clients.push(client);
    return client;
  };
  for (let person = 0; person < scenario.people; person++) {
    const published = Object.entries(scenario.publish(person)).filter(([, value]) => value !== undefined);
    if (published.length === 0) continue;
    const publish = published.map(([stream]) => ({
      name: `${person}-${stream}`,
      kind: stream === 'audio' ? 'audio' : 'video',
      ssrc: randomInt(1, 2 ** 31),
    }));
    const client = await timed({ person, publish, subscribe: [] });
    published.forEach(([stream, value], i) => {
      const audio = stream === 'audio';
      const number = generator.addStream(client.endpoint, {
        audio,
        ssrc: publish[i].ssrc,
        payloadType: audio ? plainPayloadTypes.audio : plainPayloadTypes.video,
        level: audio ? value : 127,
        ids: audio ? plainExtensionIds : { ...plainExtensionIds, audioLevel: 0 },
        frame: frames[stream],
      });
      streams.push({ number, fanout: scenario.fanout(person, stream) });
    });
  }
  for (let person = 0; person < scenario.people; person++) {
    const subscribe = receivedBy(scenario, person);
    if (subscribe.length > 0) await timed({ person, publish: [], subscribe });
  }
  return {
    streams,
    joinMs,
    close: () => {
      for (const client of clients) client.close();
    },
  };
}
