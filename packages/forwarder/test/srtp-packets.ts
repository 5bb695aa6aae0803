import { createCipheriv, createHmac } from 'node:crypto';
import { SrtpProfile, SrtpReceiver, SrtpSender } from '../src/index.ts';

/** Each profile with a key and salt of its lengths. */
export const profiles: readonly {
  name: string;
  profile: SrtpProfile;
  key: Uint8Array;
  salt: Uint8Array;
}[] = [
  { name: 'AEAD_AES_256_GCM', profile: SrtpProfile.aeadAes256Gcm, keyLength: 32, saltLength: 12 },
  { name: 'AEAD_AES_128_GCM', profile: SrtpProfile.aeadAes128Gcm, keyLength: 16, saltLength: 12 },
  { name: 'AES128_CM_SHA1_80', profile: SrtpProfile.aes128CmSha1_80, keyLength: 16, saltLength: 14 },
].map(({ name, profile, keyLength, saltLength }) => ({
  name,
  profile,
  key: Uint8Array.from({ length: keyLength }, (_, i) => i * 7 + profile),
  salt: Uint8Array.from({ length: saltLength }, (_, i) => i * 13 + 1),
}));

/** A sender and the receiver of its packets. */
export function srtpPair(
  { profile, key, salt }: (typeof profiles)[number],
  maxSsrcs = 8,
): { sender: SrtpSender; receiver: SrtpReceiver } {
  return {
    sender: new SrtpSender(profile, key, salt),
    receiver: new SrtpReceiver(profile, key, salt, maxSsrcs),
  };
}

/** An RTP packet with the fixed header. */
export function rtpPacket(
  sequence: number,
  ssrc = 0xcafe,
  payload: Uint8Array = new Uint8Array(20),
): Uint8Array {
  const packet = new Uint8Array(12 + payload.length);
  const view = new DataView(packet.buffer);
  packet[0] = 0x80;
  packet[1] = 111;
  view.setUint16(2, sequence & 0xffff);
  view.setUint32(8, ssrc);
  packet.set(payload, 12);
  return packet;
}

/** An RTCP packet: a receiver report with trailing bytes. */
export function rtcpPacket(ssrc = 0xcafe, body: Uint8Array = new Uint8Array(24)): Uint8Array {
  const packet = new Uint8Array(8 + body.length);
  const view = new DataView(packet.buffer);
  packet[0] = 0x81;
  packet[1] = 201;
  view.setUint16(2, packet.length / 4 - 1);
  view.setUint32(4, ssrc);
  packet.set(body, 8);
  return packet;
}

function counterMode(key: Uint8Array, counter: Uint8Array, data: Uint8Array): Uint8Array {
  return createCipheriv(`aes-${key.length * 8}-ctr`, key, counter).update(data);
}

/** Protection as RFC 3711 and RFC 7714 word it, over node:crypto; written apart from the addon. */
export function protectByTheBook(
  { profile, key, salt }: (typeof profiles)[number],
  packet: Uint8Array,
  clearLength: number,
  at: { readonly rollover: number } | { readonly rtcpIndex: number },
): Uint8Array {
  const isRtcp = 'rtcpIndex' in at;
  const derive = (label: number, length: number): Uint8Array => {
    const x = new Uint8Array(16);
    x.set(salt);
    x[7]! ^= label + (isRtcp ? 3 : 0);
    return counterMode(key, x, new Uint8Array(length));
  };
  const isGcm = profile !== SrtpProfile.aes128CmSha1_80;
  const view = new DataView(packet.buffer, packet.byteOffset);
  const index = isRtcp ? BigInt(at.rtcpIndex) : (BigInt(at.rollover) << 16n) | BigInt(view.getUint16(2));
  const position = new Uint8Array(10);
  new DataView(position.buffer).setUint32(0, view.getUint32(isRtcp ? 4 : 8));
  new DataView(position.buffer).setUint16(4, Number(index >> 32n));
  new DataView(position.buffer).setUint32(6, Number(index & 0xffffffffn));
  const nonce = new Uint8Array(isGcm ? 12 : 16);
  nonce.set(derive(2, salt.length));
  for (const [i, byte] of position.entries()) nonce[(isGcm ? 2 : 4) + i]! ^= byte;
  const suffix = Buffer.alloc(4);
  suffix.writeUInt32BE(isRtcp ? (at.rtcpIndex | 0x80000000) >>> 0 : at.rollover);
  const header = packet.subarray(0, clearLength);
  const payload = packet.subarray(clearLength);
  if (isGcm) {
    const cipher = createCipheriv(
      profile === SrtpProfile.aeadAes256Gcm ? 'aes-256-gcm' : 'aes-128-gcm',
      derive(0, key.length),
      nonce,
    );
    cipher.setAAD(isRtcp ? Buffer.concat([header, suffix]) : header);
    const sealed = Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
    return Uint8Array.from(isRtcp ? Buffer.concat([sealed, suffix]) : sealed);
  }
  const sealed = Buffer.concat([header, counterMode(derive(0, 16), nonce, payload)]);
  const tag = createHmac('sha1', derive(1, 20)).update(sealed).update(suffix).digest().subarray(0, 10);
  return Uint8Array.from(Buffer.concat(isRtcp ? [sealed, suffix, tag] : [sealed, tag]));
}
