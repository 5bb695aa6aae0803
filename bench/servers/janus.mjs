// Janus: a WebRTC server in C, from Debian, run as a process with one event loop. Its video room plugin over its HTTP API.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../tests/dist/sft-process.js';
import { attributeOf, attributesOf, PlainClient } from '../plain-client.mjs';
import { connectEverybody, plainExtensionIds, plainPayloadTypes } from '../plain-session.mjs';

const BINARY = '/usr/bin/janus';
const uris = {
  audioLevel: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  absSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  transportSequence: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
};

/** It takes no loopback address. What this machine sends to its own address stays in it all the same. */
const ownAddress = () =>
  Object.values(networkInterfaces())
    .flat()
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

/** Whether it is installed (`apt-get install janus`) and has an address to use. */
export const hasJanus = () => existsSync(BINARY) && ownAddress() !== undefined;

/** A session of its HTTP API: requests, and the events that answer those that take longer. */
class JanusSession {
  #url;
  #waiting = new Map();
  #closed = false;

  async open(url) {
    const { data } = await this.#post(url, { janus: 'create' });
    this.#url = `${url}/${data.id}`;
    void this.#poll();
    return this;
  }

  async attach() {
    const { data } = await this.#post(this.#url, { janus: 'attach', plugin: 'janus.plugin.videoroom' });
    return data.id;
  }

  /** Sends a message to a handle; resolves with the event that answers it. */
  async message(handle, body, jsep) {
    const transaction = randomBytes(8).toString('hex');
    const answer = new Promise((resolve) => this.#waiting.set(transaction, resolve));
    const url = `${this.#url}/${handle}`;
    const reply = await this.#post(url, { janus: 'message', body, ...(jsep ? { jsep } : {}) }, transaction);
    const event = reply.janus === 'ack' ? await answer : reply;
    const data = event.plugindata?.data;
    if (!data || data.error) throw new Error(`janus: ${JSON.stringify(data ?? event)}`);
    return { data, jsep: event.jsep };
  }

  close() {
    this.#closed = true;
  }

  async #post(url, fields, transaction = randomBytes(8).toString('hex')) {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ ...fields, transaction }) });
    return response.json();
  }

  async #poll() {
    while (!this.#closed) {
      const response = await fetch(`${this.#url}?maxev=20`).catch(() => undefined);
      if (!response) return;
      const events = await response.json();
      for (const event of Array.isArray(events) ? events : [events]) {
        this.#waiting.get(event.transaction)?.(event);
        this.#waiting.delete(event.transaction);
      }
    }
  }
}

const mediaLines = (kind) => [
  'c=IN IP4 127.0.0.1',
  `a=rtpmap:${plainPayloadTypes[kind]} ${kind === 'audio' ? 'opus/48000/2' : 'VP8/90000'}`,
  ...Object.entries(plainExtensionIds)
    .filter(([name]) => kind === 'audio' || name !== 'audioLevel')
    .map(([name, id]) => `a=extmap:${id} ${uris[name]}`),
  'a=rtcp-mux',
];

function publisherOffer(client, publish) {
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0'];
  lines.push(`a=group:BUNDLE ${publish.map((_, i) => i).join(' ')}`);
  publish.forEach(({ kind, ssrc }, i) => {
    lines.push(`m=${kind} 9 UDP/TLS/RTP/SAVPF ${plainPayloadTypes[kind]}`, `a=mid:${i}`, 'a=sendonly');
    lines.push(...mediaLines(kind), ...client.descriptionLines('actpass'), `a=ssrc:${ssrc} cname:bench`);
  });
  return `${lines.join('\r\n')}\r\n`;
}

function receiverAnswer(client, offer) {
  const [, ...sections] = offer.split(/\r?\n(?=m=)/);
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0'];
  lines.push(`a=group:BUNDLE ${sections.map((section) => attributeOf(section, 'mid')).join(' ')}`);
  for (const section of sections) {
    lines.push(
      section.split(/\r?\n/)[0],
      'c=IN IP4 127.0.0.1',
      `a=mid:${attributeOf(section, 'mid')}`,
      'a=recvonly',
    );
    lines.push(...section.split(/\r?\n/).filter((line) => /^a=(rtpmap|fmtp|extmap|rtcp-fb):/.test(line)));
    lines.push('a=rtcp-mux', ...client.descriptionLines('active'));
  }
  return `${lines.join('\r\n')}\r\n`;
}

const remoteOf = (sdp, setup) => ({
  ufrag: attributeOf(sdp, 'ice-ufrag'),
  pwd: attributeOf(sdp, 'ice-pwd'),
  fingerprint: attributeOf(sdp, 'fingerprint').replace(/^sha-256 /i, ''),
  candidates: attributesOf(sdp, 'candidate'),
  setup,
});

export async function startJanus({ generator, identity, profile, cpu }) {
  const address = ownAddress();
  const folder = mkdtempSync(join(tmpdir(), 'bench-janus-'));
  const port = await freePort();
  const library = '/usr/lib/x86_64-linux-gnu/janus';
  writeFileSync(
    join(folder, 'janus.jcfg'),
    `general: { configs_folder = "${folder}" plugins_folder = "${library}/plugins" transports_folder = "${library}/transports"
  events_folder = "${folder}" loggers_folder = "${folder}" debug_level = 1 event_loops = 1 }
media: { ipv6 = false }
nat: { ice_lite = false }
transports: { disable = "libjanus_pfunix.so,libjanus_mqtt.so,libjanus_rabbitmq.so,libjanus_websockets.so,libjanus_nanomsg.so" }
`,
  );
  writeFileSync(
    join(folder, 'janus.transport.http.jcfg'),
    `general: { json = "compact" base_path = "/janus" http = true port = ${port} ip = "127.0.0.1" https = false }
admin: { admin_http = false }
`,
  );
  const arguments_ = ['-c', cpu, BINARY, `--configs-folder=${folder}`, `--config=${folder}/janus.jcfg`];
  const child = spawn('taskset', arguments_, { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}/janus`;
  for (let i = 0; ; i++) {
    if (await fetch(`${url}/info`).catch(() => undefined)) break;
    if (i === 100 || child.exitCode !== null) throw new Error('janus does not answer');
    await sleep(100);
  }
  let rooms = 0;
  return {
    pids: [child.pid],
    async open(scenario) {
      const session = await new JanusSession().open(url);
      rooms += 1;
      const room = rooms;
      const owner = await session.attach();
      const limits = { publishers: 1000, bitrate: 100_000_000 };
      await session.message(owner, {
        request: 'create',
        room,
        ...limits,
        videocodec: 'vp8',
        audiocodec: 'opus',
      });
      const feeds = new Map();
      const opened = await connectEverybody(
        { generator, scenario },
        async ({ person, publish, subscribe }) => {
          const handle = await session.attach();
          const iceRole = publish.length > 0 ? 'controlling' : 'controlled';
          const client = new PlainClient({ generator, identity, srtpProfiles: [profile], iceRole, address });
          if (publish.length > 0) {
            const join = { request: 'joinandconfigure', ptype: 'publisher', room, display: String(person) };
            const { data, jsep } = await session.message(handle, join, {
              type: 'offer',
              sdp: publisherOffer(client, publish),
            });
            for (const [i, { name }] of publish.entries()) feeds.set(name, { feed: data.id, mid: String(i) });
            await client.connect(remoteOf(jsep.sdp, attributeOf(jsep.sdp, 'setup')));
            return client;
          }
          const streams = subscribe.map((name) => feeds.get(name));
          const { jsep } = await session.message(handle, {
            request: 'join',
            ptype: 'subscriber',
            room,
            streams,
          });
          const connected = client.connect(remoteOf(jsep.sdp, 'passive'));
          const answer = { type: 'answer', sdp: receiverAnswer(client, jsep.sdp) };
          await Promise.all([session.message(handle, { request: 'start' }, answer), connected]);
          return client;
        },
      );
      return {
        ...opened,
        close: () => {
          opened.close();
          session.close();
        },
      };
    },
    stop: () => {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
