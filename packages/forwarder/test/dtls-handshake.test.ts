import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  createDtlsSession,
  type DtlsIdentity,
  generateDtlsIdentity,
  SrtpProfile,
  SrtpReceiver,
  SrtpSender,
} from '../src/index.ts';
import {
  allProfiles,
  closedReasonOf,
  connectedOf,
  dataOf,
  fragmentingLink,
  handshake,
  handshakeWithTimers,
  makeEnd,
  pump,
  recordsOf,
} from './dtls-pair.ts';
import { rtpPacket } from './srtp-packets.ts';

const profileNames = Object.entries(SrtpProfile);

describe('an identity', () => {
  test('is a self-signed P-256 certificate, valid now and not for long', () => {
    const identity = generateDtlsIdentity();
    const certificate = new X509Certificate(identity.certificateDer);
    expect(identity.fingerprint).toBe(certificate.fingerprint256);
    expect(identity.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    expect(certificate.subject).toBe('CN=conclave');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    const day = 86_400_000;
    expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now() - day / 2);
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now() + 29 * day);
    expect(Date.parse(certificate.validTo)).toBeLessThan(Date.now() + 31 * day);
  });

  test('has a key and a serial number of its own', () => {
    const identities = [generateDtlsIdentity(), generateDtlsIdentity()].map(
      (i) => new X509Certificate(i.certificateDer),
    );
    expect(identities[0]!.serialNumber).not.toBe(identities[1]!.serialNumber);
    expect(identities[0]!.serialNumber.length).toBeGreaterThanOrEqual(31);
    expect(identities[0]!.publicKey.equals(identities[1]!.publicKey)).toBe(false);
  });

  test('cannot be copied or made up', () => {
    const identity = generateDtlsIdentity();
    for (const wrong of [{ ...identity }, {}, null, 'x', Object.create(identity)]) {
      expect(() =>
        createDtlsSession({ identity: wrong as DtlsIdentity, role: 'server', srtpProfiles: [] }),
      ).toThrow(TypeError);
    }
    expect(Object.isFrozen(identity)).toBe(true);
  });
});

describe('a handshake', () => {
  test('gives both ends the other fingerprint and the same keys, crosswise', () => {
    const identities = { server: generateDtlsIdentity(), client: generateDtlsIdentity() };
    const server = makeEnd('server', { identity: identities.server });
    const client = makeEnd('client', { identity: identities.client });
    handshake(server, client);
    const atServer = connectedOf(server)!;
    const atClient = connectedOf(client)!;
    expect(atServer.peerFingerprint).toBe(identities.client.fingerprint);
    expect(atClient.peerFingerprint).toBe(identities.server.fingerprint);
    expect(atServer.srtpKeys!.sendKey).toEqual(atClient.srtpKeys!.receiveKey);
    expect(atServer.srtpKeys!.sendSalt).toEqual(atClient.srtpKeys!.receiveSalt);
    expect(atServer.srtpKeys!.receiveKey).toEqual(atClient.srtpKeys!.sendKey);
    expect(atServer.srtpKeys!.receiveSalt).toEqual(atClient.srtpKeys!.sendSalt);
    expect(atServer.srtpKeys!.sendKey).not.toEqual(atServer.srtpKeys!.receiveKey);
    expect(server.session.pollTimeout()).toBeUndefined();
    expect(client.session.pollTimeout()).toBeUndefined();
  });

  test.each(profileNames)('with %s alone agrees on it, and its keys protect media', (_, profile) => {
    const server = makeEnd('server', { srtpProfiles: [profile] });
    const client = makeEnd('client');
    handshake(server, client);
    const sendSide = connectedOf(client)!.srtpKeys!;
    const receiveSide = connectedOf(server)!.srtpKeys!;
    expect([sendSide.profile, receiveSide.profile]).toEqual([profile, profile]);
    const sender = new SrtpSender(profile, sendSide.sendKey, sendSide.sendSalt);
    const receiver = new SrtpReceiver(profile, receiveSide.receiveKey, receiveSide.receiveSalt, 1);
    expect(receiver.unprotectRtp(sender.protectRtp(rtpPacket(1)))).toEqual(rtpPacket(1));
  });

  test('takes the profile the server wants most', () => {
    const server = makeEnd('server', { srtpProfiles: allProfiles });
    const client = makeEnd('client', { srtpProfiles: [...allProfiles].reverse() });
    handshake(server, client);
    expect(connectedOf(client)!.srtpKeys!.profile).toBe(SrtpProfile.aeadAes256Gcm);
  });

  test('without a common profile, or without any, connects without keys', () => {
    for (const [ours, theirs] of [
      [[SrtpProfile.aeadAes128Gcm], [SrtpProfile.aeadAes256Gcm]],
      [[], []],
    ] as const) {
      const server = makeEnd('server', { srtpProfiles: ours });
      const client = makeEnd('client', { srtpProfiles: theirs });
      handshake(server, client);
      expect(connectedOf(server)!.srtpKeys).toBeUndefined();
      expect(connectedOf(client)!.srtpKeys).toBeUndefined();
    }
  });

  test.each([256, 400, 1200, 1500])('at an mtu of %d sends no larger datagram', (mtu) => {
    const server = makeEnd('server', { mtu });
    const client = makeEnd('client', { mtu });
    let largest = 0;
    handshake(server, client, (datagram) => {
      largest = Math.max(largest, datagram.length);
      return [datagram];
    });
    expect(connectedOf(server)).toBeDefined();
    expect(connectedOf(client)).toBeDefined();
    expect(largest).toBeLessThanOrEqual(mtu);
  });

  test('of identities in use by many sessions at once', () => {
    const identity = generateDtlsIdentity();
    const pairs = Array.from(
      { length: 20 },
      () => [makeEnd('server', { identity }), makeEnd('client', { identity })] as const,
    );
    for (const [server, client] of pairs) {
      server.session.start(0);
      client.session.start(0);
    }
    for (const [server, client] of pairs) pump(server, client);
    const keys = pairs.map(([server]) => connectedOf(server)!.srtpKeys!.sendKey.join());
    expect(new Set(keys).size).toBe(20);
  });

  test.each([
    ['the hello', 0],
    ["the server's flight", 1],
    ["the client's second flight", 2],
    ["the server's last flight", 3],
  ] as const)('survives the loss of %s', async (_, lost) => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    let sent = 0;
    await handshakeWithTimers(
      server,
      client,
      (datagram) => (sent++ === lost ? [] : [datagram]),
      () => connectedOf(server) !== undefined && connectedOf(client) !== undefined,
    );
    expect(connectedOf(client)!.srtpKeys!.sendKey).toEqual(connectedOf(server)!.srtpKeys!.receiveKey);
  });

  test.each([1000, 100, 17])(
    'puts messages together that come in fragments of %d bytes, last first',
    (size) => {
      const server = makeEnd('server');
      const client = makeEnd('client');
      handshake(server, client, fragmentingLink(size));
      expect(connectedOf(client)!.srtpKeys!.sendKey).toEqual(connectedOf(server)!.srtpKeys!.receiveKey);
    },
  );

  test('survives datagrams that come twice and in reverse', async () => {
    const server = makeEnd('server', { mtu: 256 });
    const client = makeEnd('client', { mtu: 256 });
    const held = { server: [] as Uint8Array[], client: [] as Uint8Array[] };
    await handshakeWithTimers(
      server,
      client,
      (datagram, to) => {
        held[to] = [datagram, datagram, ...held[to]].slice(0, 6);
        return held[to];
      },
      () => connectedOf(server) !== undefined && connectedOf(client) !== undefined,
    );
    expect(connectedOf(client)!.srtpKeys!.sendKey).toEqual(connectedOf(server)!.srtpKeys!.receiveKey);
  });
});

describe('timers', () => {
  test('only a client waits for an answer to its hello; a server waits as long as it takes', () => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    expect(client.session.pollTimeout()).toBeUndefined();
    server.session.start(1000);
    client.session.start(1000);
    expect(server.session.pollTimeout()).toBeUndefined();
    expect(client.session.pollTimeout()).toBeGreaterThan(1000);
    expect(client.session.pollTimeout()).toBeLessThanOrEqual(1250);
  });

  test('a call before the deadline sends nothing', () => {
    const client = makeEnd('client');
    client.session.start(0);
    expect(client.session.pollTransmit()).toBeDefined();
    client.session.handleTimeout(1);
    expect(client.session.pollTransmit()).toBeUndefined();
    expect(client.session.pollTimeout()).toBeGreaterThan(1);
  });
});

describe('application data', () => {
  test('goes both ways, whole and in order', () => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    handshake(server, client);
    const messages = [1, 2, 500, 1100].map((length) => Uint8Array.from({ length }, (_, i) => i * length));
    for (const message of messages) {
      client.session.send(message);
      server.session.send(message);
    }
    pump(server, client, (datagram) => {
      expect(datagram.length).toBeLessThanOrEqual(1200);
      return [datagram];
    });
    expect(dataOf(server)).toEqual(messages);
    expect(dataOf(client)).toEqual(messages);
  });

  test('is not sent before the handshake, nor when it is too long or nothing', () => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    expect(() => client.session.send(Uint8Array.of(1))).toThrow('not connected');
    client.session.start(0);
    expect(() => client.session.send(Uint8Array.of(1))).toThrow('not connected');
    handshake(server, client);
    expect(() => client.session.send(new Uint8Array(1101))).toThrow(RangeError);
    expect(() => client.session.send(new Uint8Array())).toThrow(RangeError);
  });

  test('that overtakes the last handshake message is heard after it, not before', () => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    const early: Uint8Array[] = [];
    let withheld: Uint8Array | undefined;
    handshake(server, client, (datagram, to) => {
      // The server's last flight connects the client, whose data then reaches the server; the other way round it is
      // the server that can be ahead: hold back its flight and let its data go first.
      if (to === 'client' && recordsOf(datagram).some((record) => record.epoch === 1)) {
        withheld = datagram;
        return [];
      }
      return [datagram];
    });
    expect(connectedOf(server)).toBeDefined();
    expect(connectedOf(client)).toBeUndefined();
    server.session.send(Uint8Array.of(7, 7));
    early.push(server.session.pollTransmit()!);
    client.session.handlePacket(performance.now(), early[0]!);
    expect(client.session.pollEvent()).toBeUndefined();
    client.session.handlePacket(performance.now(), withheld!);
    expect(client.session.pollEvent()).toMatchObject({ type: 'connected' });
    expect(client.session.pollEvent()).toEqual({ type: 'data', bytes: Uint8Array.of(7, 7) });
  });

  test('replayed or altered is not heard', () => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    handshake(server, client);
    client.session.send(Uint8Array.of(1, 2, 3));
    const datagram = client.session.pollTransmit()!;
    for (let i = 13; i < datagram.length; i++) {
      const altered = datagram.slice();
      altered[i]! ^= 1;
      server.session.handlePacket(0, altered);
    }
    for (let i = 0; i < 3; i++) server.session.handlePacket(0, datagram);
    pump(server, client);
    expect(dataOf(server)).toEqual([Uint8Array.of(1, 2, 3)]);
    expect(closedReasonOf(server)).toBeUndefined();
  });

  test('has nonces that are the record number, so none repeats', () => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    handshake(server, client);
    const nonces = new Set<string>();
    for (let i = 0; i < 100; i++) {
      client.session.send(new Uint8Array(10));
      const datagram = Buffer.from(client.session.pollTransmit()!);
      nonces.add(datagram.subarray(13, 21).toString('hex'));
    }
    expect(nonces.size).toBe(100);
  });
});

describe('the end', () => {
  test.each(['server', 'client'] as const)('of a %s is told to the other by close_notify', (who) => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    handshake(server, client);
    const [closing, other] = who === 'server' ? [server, client] : [client, server];
    closing.session.close();
    closing.session.close();
    expect(() => closing.session.send(Uint8Array.of(1))).toThrow('not connected');
    pump(server, client);
    expect(closedReasonOf(other)).toBe('closed by the peer');
    expect(closedReasonOf(closing)).toBeUndefined();
    expect(other.session.pollTimeout()).toBeUndefined();
    other.session.close();
  });

  test('before the beginning is quiet', () => {
    const client = makeEnd('client');
    client.session.start(0);
    client.session.close();
    client.session.handlePacket(0, Uint8Array.of(22, 1, 2));
    client.session.handleTimeout(10_000);
    client.session.start(0);
    expect(client.session.pollTimeout()).toBeUndefined();
    expect(client.session.pollEvent()).toBeUndefined();
  });
});

test('wrong options are refused', () => {
  const identity = generateDtlsIdentity();
  const make = (options: object) => () =>
    createDtlsSession({ identity, role: 'client', srtpProfiles: [], ...options });
  expect(make({ mtu: 255 })).toThrow(RangeError);
  expect(make({ mtu: 1501 })).toThrow(RangeError);
  expect(make({ srtpProfiles: [2] })).toThrow(TypeError);
  expect(make({ srtpProfiles: [7, 7] })).toThrow(TypeError);
  expect(make({ srtpProfiles: 7 })).toThrow(TypeError);
});
