// A WebRTC endpoint for servers with session descriptions of their own: ICE, DTLS and keys by packages/transport, media by
// the load generator.
import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { createDtlsSession } from '../packages/forwarder/dist/index.js';
import { formatCandidate } from '../packages/ice/dist/index.js';
import { PeerTransport } from '../packages/transport/dist/index.js';

const SOCKET = 1;

/** One endpoint that connects to whatever description it is given. */
export class PlainClient {
  ufrag = randomBytes(4).toString('hex');
  pwd = randomBytes(12).toString('hex');
  #identity;
  #media;
  #transport;
  #timer;
  #candidate;
  #settle = () => undefined;

  /** `iceRole`: controlling unless the other side offered and is no ICE-lite server. */
  constructor({ generator, identity, srtpProfiles, iceRole = 'controlling', address = '127.0.0.1' }) {
    this.#identity = identity;
    this.#media = generator.open((bytes, from, port) => this.#receive(bytes, from, port), address);
    this.#transport = new PeerTransport({
      iceRole,
      ufrag: this.ufrag,
      pwd: this.pwd,
      transactionTag: randomInt(2 ** 32),
      random: (size) => randomBytes(size),
      hmacSha1: (key, data) => createHmac('sha1', key).update(data).digest(),
      createDtlsSession,
      identity,
      srtpProfiles,
      dataChannels: false,
    });
    const local = {
      socket: SOCKET,
      address,
      advertisedAddress: address,
      port: this.#media.port,
      transport: 'udp',
    };
    this.#candidate = formatCandidate(this.#transport.addLocalCandidate(local));
  }

  /** Its number in the load generator. */
  get endpoint() {
    return this.#media.endpoint;
  }

  /** Lines of its transport for a session description. */
  descriptionLines(setup) {
    return [
      `a=ice-ufrag:${this.ufrag}`,
      `a=ice-pwd:${this.pwd}`,
      `a=fingerprint:sha-256 ${this.#identity.fingerprint}`,
      `a=setup:${setup}`,
      `a=candidate:${this.#candidate}`,
    ];
  }

  get fingerprint() {
    return this.#identity.fingerprint;
  }

  get port() {
    return this.#media.port;
  }

  /** Connects; resolves when media can flow. `remote`: ufrag, pwd, candidates, fingerprint, setup. */
  connect(remote) {
    return new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
      this.#transport.setRemote(performance.now(), remote);
      this.#drain();
    });
  }

  close() {
    clearTimeout(this.#timer);
    this.#transport.close(performance.now());
    this.#drain();
    this.#transport = undefined;
    this.#media.close();
  }

  #receive(bytes, address, port) {
    const path = { socket: SOCKET, address, port, transport: 'udp' };
    const now = performance.now();
    if (bytes[0] < 4) this.#transport?.handleStun(now, path, bytes);
    else if (bytes[0] >= 20 && bytes[0] < 64) this.#transport?.handleDtls(now, path, bytes);
    this.#drain();
  }

  #drain() {
    const transport = this.#transport;
    if (!transport) return;
    for (let event = transport.pollEvent(); event; event = transport.pollEvent()) {
      if (event.type === 'paths' && event.sendTo) this.#media.setServer(event.sendTo);
      else if (event.type === 'secured') {
        this.#media.secured(event.srtpKeys);
        this.#settle();
      } else if (event.type === 'failed') this.#settle(new Error(event.reason));
    }
    for (let t = transport.pollTransmit(); t; t = transport.pollTransmit()) {
      this.#media.send(t.bytes, t.path.port, t.path.address);
    }
    clearTimeout(this.#timer);
    const at = transport.pollTimeout();
    if (at === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#transport?.handleTimeout(performance.now());
        this.#drain();
      },
      Math.max(0, at - performance.now()),
    );
  }
}

/** The value of the first `a=name:` line of a description. */
export function attributeOf(sdp, name) {
  return attributesOf(sdp, name)[0];
}

/** The values of all `a=name:` lines of a description. */
export function attributesOf(sdp, name) {
  const prefix = `a=${name}:`;
  return sdp
    .split(/\r?\n/)
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length));
}
