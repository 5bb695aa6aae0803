import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { concatBytes, equalBytesConstantTime, FormatError } from '@conclave/bytes';
import type { SrtpProfile } from '@conclave/forwarder';

/** Which of the two streams of a session: they have keys of their own (RFC 3711 §4.3.1). */
export type SrtpStreamKind = 'rtp' | 'rtcp';

/** Session keys of one kind of stream. */
export interface SrtpSessionKeys {
  readonly cipherKey: Uint8Array;
  /** HMAC key; unused with GCM. */
  readonly authKey: Uint8Array;
  readonly salt: Uint8Array;
}

/** Whether the profile is AEAD_AES_*_GCM (RFC 7714), and how long its keys are. */
interface ProfileShape {
  readonly gcm: boolean;
  readonly keyLength: number;
  readonly saltLength: number;
}

const SHAPES: Readonly<Record<SrtpProfile, ProfileShape>> = {
  1: { gcm: false, keyLength: 16, saltLength: 14 },
  7: { gcm: true, keyLength: 16, saltLength: 12 },
  8: { gcm: true, keyLength: 32, saltLength: 12 },
};

const HMAC_TAG_LENGTH = 10;
const GCM_TAG_LENGTH = 16;
const AUTH_KEY_LENGTH = 20;
/** Indices remembered behind the newest, as in the forwarding plane, so that both refuse the same packets. */
const RTP_WINDOW = 1024;
const RTCP_WINDOW = 128;
const ENCRYPTED_FLAG = 0x8000_0000;

/** Lengths of a profile's master key and salt, in bytes. */
export function srtpKeyLengths(profile: SrtpProfile): { keyLength: number; saltLength: number } {
  return SHAPES[profile];
}

/** Session keys by RFC 3711 §4.3, with key derivation rate zero; for 256-bit keys by RFC 6188 §3. */
export function deriveSrtpSessionKeys(
  profile: SrtpProfile,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
  kind: SrtpStreamKind,
): SrtpSessionKeys {
  const { keyLength, saltLength } = SHAPES[profile];
  if (masterKey.length !== keyLength || masterSalt.length !== saltLength)
    throw new TypeError('wrong key length');
  const derive = (label: number, length: number) => deriveSrtpKey(masterKey, masterSalt, label, length);
  const base = kind === 'rtp' ? 0 : 3;
  return {
    cipherKey: derive(base, keyLength),
    authKey: derive(base + 1, AUTH_KEY_LENGTH),
    salt: derive(base + 2, saltLength),
  };
}

/**
 * One session key (RFC 3711 §4.3.1): AES counter mode over zeros, from the salt XOR the label. A salt of 96 bits stands
 * at the more significant end.
 */
export function deriveSrtpKey(
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
  label: number,
  length: number,
): Uint8Array {
  const counter = new Uint8Array(16);
  counter.set(masterSalt);
  xorUint(counter, 7, 1, label);
  return aesCounterMode(masterKey, counter, new Uint8Array(length));
}

/** Protects one RTP packet under an index that the caller chose (ROC × 2^16 + sequence). */
export function sealRtp(
  profile: SrtpProfile,
  keys: SrtpSessionKeys,
  index: number,
  packet: Uint8Array,
): Uint8Array {
  const headerLength = rtpHeaderLength(packet);
  const header = packet.subarray(0, headerLength);
  const body = packet.subarray(headerLength);
  const rollover = uint32Bytes(Math.floor(index / 2 ** 16));
  if (SHAPES[profile].gcm) {
    return concatBytes(header, sealGcm(keys, gcmNonce(keys.salt, ssrcOfRtp(packet), index), header, body));
  }
  const sealed = concatBytes(
    header,
    aesCounterMode(keys.cipherKey, cmCounter(keys.salt, ssrcOfRtp(packet), index), body),
  );
  return concatBytes(sealed, hmacTag(keys, sealed, rollover));
}

/** Opens one RTP packet under an index; `undefined` when its tag is wrong. */
export function openRtp(
  profile: SrtpProfile,
  keys: SrtpSessionKeys,
  index: number,
  packet: Uint8Array,
): Uint8Array | undefined {
  const headerLength = rtpHeaderLength(packet);
  const header = packet.subarray(0, headerLength);
  if (SHAPES[profile].gcm) {
    const nonce = gcmNonce(keys.salt, ssrcOfRtp(packet), index);
    const body = openGcm(keys, nonce, header, packet.subarray(headerLength));
    return body && concatBytes(header, body);
  }
  const end = packet.length - HMAC_TAG_LENGTH;
  const tag = hmacTag(keys, packet.subarray(0, end), uint32Bytes(Math.floor(index / 2 ** 16)));
  if (!equalBytesConstantTime(tag, packet.subarray(end))) return undefined;
  const counter = cmCounter(keys.salt, ssrcOfRtp(packet), index);
  return concatBytes(header, aesCounterMode(keys.cipherKey, counter, packet.subarray(headerLength, end)));
}

/** Protects one RTCP compound under an SRTCP index (31 bits). */
export function sealRtcp(
  profile: SrtpProfile,
  keys: SrtpSessionKeys,
  index: number,
  packet: Uint8Array,
): Uint8Array {
  const header = packet.subarray(0, 8);
  const body = packet.subarray(8);
  const word = uint32Bytes(index + ENCRYPTED_FLAG);
  const ssrc = readUint32(packet, 4);
  if (SHAPES[profile].gcm) {
    const aad = concatBytes(header, word);
    return concatBytes(header, sealGcm(keys, gcmNonce(keys.salt, ssrc, index), aad, body), word);
  }
  const sealed = concatBytes(
    header,
    aesCounterMode(keys.cipherKey, cmCounter(keys.salt, ssrc, index), body),
    word,
  );
  return concatBytes(sealed, hmacTag(keys, sealed));
}

/** Opens one RTCP compound under the index it carries; `undefined` when its tag is wrong. */
export function openRtcp(
  profile: SrtpProfile,
  keys: SrtpSessionKeys,
  packet: Uint8Array,
): Uint8Array | undefined {
  const header = packet.subarray(0, 8);
  const ssrc = readUint32(packet, 4);
  const index = rtcpIndex(profile, packet) & 0x7fff_ffff;
  if (SHAPES[profile].gcm) {
    const end = packet.length - 4;
    const aad = concatBytes(header, packet.subarray(end));
    const body = openGcm(keys, gcmNonce(keys.salt, ssrc, index), aad, packet.subarray(8, end));
    return body && concatBytes(header, body);
  }
  const end = packet.length - HMAC_TAG_LENGTH;
  if (!equalBytesConstantTime(hmacTag(keys, packet.subarray(0, end)), packet.subarray(end))) return undefined;
  const counter = cmCounter(keys.salt, ssrc, index);
  return concatBytes(header, aesCounterMode(keys.cipherKey, counter, packet.subarray(8, end - 4)));
}

/**
 * Sender side of SRTP and SRTCP (RFC 3711, RFC 7714), written from the RFCs over `node:crypto` alone and without
 * regard to speed: what the forwarding plane's implementation is measured by.
 */
export class SrtpOracleSender {
  readonly #profile: SrtpProfile;
  readonly #rtp: SrtpSessionKeys;
  readonly #rtcp: SrtpSessionKeys;
  readonly #windows = new Map<number, IndexWindow>();
  #nextRtcpIndex: number;

  constructor(profile: SrtpProfile, key: Uint8Array, salt: Uint8Array, firstRtcpIndex = 0) {
    this.#profile = profile;
    this.#rtp = deriveSrtpSessionKeys(profile, key, salt, 'rtp');
    this.#rtcp = deriveSrtpSessionKeys(profile, key, salt, 'rtcp');
    this.#nextRtcpIndex = firstRtcpIndex;
  }

  /** Throws {@link FormatError} `malformed`, or `replayed` or `too-old` rather than use an index a second time. */
  protectRtp(packet: Uint8Array): Uint8Array {
    rtpHeaderLength(packet);
    const ssrc = ssrcOfRtp(packet);
    const window = this.#windows.get(ssrc) ?? new IndexWindow(RTP_WINDOW);
    const index = window.estimate(sequenceOf(packet));
    window.check(index);
    window.record(index);
    this.#windows.set(ssrc, window);
    return sealRtp(this.#profile, this.#rtp, index, packet);
  }

  /** Throws {@link FormatError} `malformed` on fewer than eight bytes. */
  protectRtcp(packet: Uint8Array): Uint8Array {
    if (packet.length < 8) throw malformed();
    return sealRtcp(this.#profile, this.#rtcp, this.#nextRtcpIndex++, packet);
  }
}

/** Receiver side; see {@link SrtpOracleSender}. Its state changes only with a packet whose tag is right. */
export class SrtpOracleReceiver {
  readonly #profile: SrtpProfile;
  readonly #rtp: SrtpSessionKeys;
  readonly #rtcp: SrtpSessionKeys;
  readonly #maxSsrcs: number;
  readonly #windows = new Map<number, { rtp: IndexWindow; rtcp: IndexWindow }>();

  constructor(profile: SrtpProfile, key: Uint8Array, salt: Uint8Array, maxSsrcs = 32) {
    this.#profile = profile;
    this.#rtp = deriveSrtpSessionKeys(profile, key, salt, 'rtp');
    this.#rtcp = deriveSrtpSessionKeys(profile, key, salt, 'rtcp');
    this.#maxSsrcs = maxSsrcs;
  }

  /** Throws {@link FormatError} `malformed`, `too-many-ssrcs`, `too-old`, `replayed` or `bad-tag`. */
  unprotectRtp(packet: Uint8Array): Uint8Array {
    const tagLength = SHAPES[this.#profile].gcm ? GCM_TAG_LENGTH : HMAC_TAG_LENGTH;
    if (packet.length < 12 + tagLength) throw malformed();
    rtpHeaderLength(packet.subarray(0, packet.length - tagLength));
    const windows = this.#windowsOf(ssrcOfRtp(packet));
    const index = windows.rtp.estimate(sequenceOf(packet));
    windows.rtp.check(index);
    const opened = openRtp(this.#profile, this.#rtp, index, packet);
    if (opened === undefined) throw new FormatError('bad-tag', 'authentication failed');
    windows.rtp.record(index);
    this.#windows.set(ssrcOfRtp(packet), windows);
    return opened;
  }

  /** Throws as {@link SrtpOracleReceiver.unprotectRtp}; `malformed` also when the packet claims not to be encrypted. */
  unprotectRtcp(packet: Uint8Array): Uint8Array {
    const trailer = (SHAPES[this.#profile].gcm ? GCM_TAG_LENGTH : HMAC_TAG_LENGTH) + 4;
    if (packet.length < 8 + trailer || packet[0]! >>> 6 !== 2) throw malformed();
    const word = rtcpIndex(this.#profile, packet);
    if (word < ENCRYPTED_FLAG) throw malformed();
    const ssrc = readUint32(packet, 4);
    const windows = this.#windowsOf(ssrc);
    windows.rtcp.check(word - ENCRYPTED_FLAG);
    const opened = openRtcp(this.#profile, this.#rtcp, packet);
    if (opened === undefined) throw new FormatError('bad-tag', 'authentication failed');
    windows.rtcp.record(word - ENCRYPTED_FLAG);
    this.#windows.set(ssrc, windows);
    return opened;
  }

  #windowsOf(ssrc: number): { rtp: IndexWindow; rtcp: IndexWindow } {
    const known = this.#windows.get(ssrc);
    if (known !== undefined) return known;
    if (this.#windows.size >= this.#maxSsrcs)
      throw new FormatError('too-many-ssrcs', 'no room for another SSRC');
    return { rtp: new IndexWindow(RTP_WINDOW), rtcp: new IndexWindow(RTCP_WINDOW) };
  }
}

/** Indices seen of one stream (RFC 3711 §3.3.2), and the guess at the index of a sequence number. */
class IndexWindow {
  readonly #size: number;
  readonly #seen = new Set<number>();
  #highest = -1;

  constructor(size: number) {
    this.#size = size;
  }

  /** RFC 3711 appendix A. A guess before the first index comes out negative. */
  estimate(sequence: number): number {
    if (this.#highest < 0) return sequence;
    const rollover = Math.floor(this.#highest / 2 ** 16);
    const last = this.#highest % 2 ** 16;
    if (last < 0x8000) return (sequence - last > 0x8000 ? rollover - 1 : rollover) * 2 ** 16 + sequence;
    return (last - 0x8000 > sequence ? rollover + 1 : rollover) * 2 ** 16 + sequence;
  }

  check(index: number): void {
    if (index < 0 || index <= this.#highest - this.#size)
      throw new FormatError('too-old', 'before the window');
    if (this.#seen.has(index)) throw new FormatError('replayed', 'seen before');
  }

  record(index: number): void {
    this.#highest = Math.max(this.#highest, index);
    this.#seen.add(index);
    for (const old of this.#seen) {
      if (old > this.#highest - this.#size) break;
      this.#seen.delete(old);
    }
  }
}

function aesCounterMode(key: Uint8Array, counter: Uint8Array, data: Uint8Array): Uint8Array {
  const cipher = createCipheriv(key.length === 32 ? 'aes-256-ctr' : 'aes-128-ctr', key, counter);
  return new Uint8Array(cipher.update(data));
}

function sealGcm(keys: SrtpSessionKeys, nonce: Uint8Array, aad: Uint8Array, body: Uint8Array): Uint8Array {
  const cipher = createCipheriv(
    keys.cipherKey.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm',
    keys.cipherKey,
    nonce,
  );
  cipher.setAAD(aad);
  return concatBytes(cipher.update(body), cipher.final(), cipher.getAuthTag());
}

function openGcm(
  keys: SrtpSessionKeys,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const name = keys.cipherKey.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm';
  const decipher = createDecipheriv(name, keys.cipherKey, nonce);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - GCM_TAG_LENGTH));
  const body = decipher.update(sealed.subarray(0, sealed.length - GCM_TAG_LENGTH));
  try {
    decipher.final();
  } catch {
    // The only thing final() checks is the tag.
    return undefined;
  }
  return new Uint8Array(body);
}

function hmacTag(keys: SrtpSessionKeys, ...parts: Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha1', keys.authKey);
  for (const part of parts) hmac.update(part);
  return new Uint8Array(hmac.digest().subarray(0, HMAC_TAG_LENGTH));
}

/** RFC 3711 §4.1.1: salt × 2^16 XOR SSRC × 2^64 XOR index × 2^16. */
function cmCounter(salt: Uint8Array, ssrc: number, index: number): Uint8Array {
  const counter = new Uint8Array(16);
  counter.set(salt);
  xorUint(counter, 4, 4, ssrc);
  xorUint(counter, 8, 6, index);
  return counter;
}

/** RFC 7714 §8.1 and §9.1: two zero bytes, SSRC and a 48-bit index, XOR salt. */
function gcmNonce(salt: Uint8Array, ssrc: number, index: number): Uint8Array {
  const nonce = Uint8Array.from(salt);
  xorUint(nonce, 2, 4, ssrc);
  xorUint(nonce, 6, 6, index);
  return nonce;
}

function xorUint(bytes: Uint8Array, at: number, width: number, value: number): void {
  for (let i = 0; i < width; i++) {
    bytes[at + width - 1 - i]! ^= Math.floor(value / 2 ** (8 * i)) & 0xff;
  }
}

function rtpHeaderLength(packet: Uint8Array): number {
  if (packet.length < 12 || packet[0]! >>> 6 !== 2) throw malformed();
  let length = 12 + 4 * (packet[0]! & 15);
  if ((packet[0]! & 0x10) !== 0) {
    if (packet.length < length + 4) throw malformed();
    length += 4 + 4 * ((packet[length + 2]! << 8) | packet[length + 3]!);
  }
  if (packet.length < length) throw malformed();
  return length;
}

function rtcpIndex(profile: SrtpProfile, packet: Uint8Array): number {
  return readUint32(packet, packet.length - 4 - (SHAPES[profile].gcm ? 0 : HMAC_TAG_LENGTH));
}

function sequenceOf(packet: Uint8Array): number {
  return (packet[2]! << 8) | packet[3]!;
}

function ssrcOfRtp(packet: Uint8Array): number {
  return readUint32(packet, 8);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

function uint32Bytes(value: number): Uint8Array {
  return Uint8Array.of(value / 2 ** 24, value / 2 ** 16, value / 2 ** 8, value);
}

function malformed(): FormatError {
  return new FormatError('malformed', 'not an SRTP or SRTCP packet');
}
