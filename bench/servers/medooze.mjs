// Medooze: a media server library in C++ for Node, from npm. Installed on demand in a folder of its own.
import { fork, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PlainClient } from '../plain-client.mjs';
import { connectEverybody, plainExtensionIds, plainPayloadTypes } from '../plain-session.mjs';

const folder = fileURLToPath(new URL('../medooze/', import.meta.url));
const profileNames = { 1: 'SRTP_AES128_CM_SHA1_80', 7: 'SRTP_AEAD_AES_128_GCM' };

/** Installs and compiles it, which takes some minutes the first time. */
export function installMedooze() {
  const built = `${folder}node_modules/medooze-media-server/build/Release/medooze-media-server.node`;
  if (existsSync(built)) return;
  console.error('installing medooze-media-server, once, which takes some minutes ...');
  for (const command of [
    ['ci', '--ignore-scripts'],
    ['rebuild', '--foreground-scripts', 'medooze-media-server'],
  ]) {
    spawnSync('npm', command, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  if (!existsSync(built)) throw new Error('medooze-media-server could not be built');
}

export async function startMedooze({ generator, identity, profile, cpu }) {
  installMedooze();
  const child = fork(`${folder}server.mjs`, [profileNames[profile]], {
    execPath: '/usr/bin/env',
    execArgv: ['taskset', '-c', cpu, process.execPath],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const waiting = new Map();
  child.on('message', ({ id, transport, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(`medooze: ${error}`));
    else resolve(transport);
  });
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('medooze ended'));
  });
  let requests = 0;
  const ask = (connect) =>
    new Promise((resolve, reject) => {
      requests += 1;
      waiting.set(requests, { resolve, reject });
      child.send({ id: requests, connect });
    });
  let sessions = 0;
  return {
    pids: [child.pid],
    async open(scenario) {
      sessions += 1;
      const session = sessions;
      const named = (name) => `${session}/${name}`;
      return connectEverybody({ generator, scenario }, async ({ publish, subscribe }) => {
        const client = new PlainClient({ generator, identity, srtpProfiles: [profile] });
        const transport = await ask({
          ufrag: client.ufrag,
          pwd: client.pwd,
          fingerprint: client.fingerprint,
          port: client.port,
          payloadTypes: plainPayloadTypes,
          ids: plainExtensionIds,
          publish: publish.map((stream) => ({ ...stream, name: named(stream.name) })),
          subscribe: subscribe.map(named),
        });
        await client.connect({
          ufrag: transport.ufrag,
          pwd: transport.pwd,
          fingerprint: transport.fingerprint,
          candidates: [`1 1 udp 2130706431 127.0.0.1 ${transport.port} typ host`],
          setup: 'passive',
        });
        return client;
      });
    },
    stop: () => child.disconnect(),
  };
}
