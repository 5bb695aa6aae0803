import { FormatError } from '@conclave/bytes';
import type { SrtpProfile } from './flow-table.ts';
import { loadNativeAddon } from './native-addon.ts';

/** The addon answers with the packet, or with the number of the reason it has none. */
type NativeResult = Uint8Array | number;

interface SrtpAddon {
  SrtpSender: new (
    profile: number,
    key: Uint8Array,
    salt: Uint8Array,
    keysAreSession: boolean,
    rolloverCounter: number,
    rtcpIndex: number,
  ) => { protectRtp(packet: Uint8Array): NativeResult; protectRtcp(packet: Uint8Array): NativeResult };
  SrtpReceiver: new (
    profile: number,
    key: Uint8Array,
    salt: Uint8Array,
    keysAreSession: boolean,
    maxSsrcs: number,
  ) => { unprotectRtp(packet: Uint8Array): NativeResult; unprotectRtcp(packet: Uint8Array): NativeResult };
  deriveSrtpSessionKeys(profile: number, key: Uint8Array, salt: Uint8Array, isRtcp: boolean): SrtpSessionKeys;
}

/** Reasons by the addon's numbers; 0 is success. */
const statusCodes = [
  'ok',
  'malformed',
  'bad-tag',
  'replayed',
  'too-old',
  'too-many-ssrcs',
  'index-exhausted',
  'crypto-failure',
] as const;

/** Why {@link SrtpSender} or {@link SrtpReceiver} refused a packet: the `code` of the FormatError they throw. */
export type SrtpRefusal = Exclude<(typeof statusCodes)[number], 'ok'>;

function packetOf(result: NativeResult): Uint8Array {
  if (typeof result !== 'number') return result;
  const code = statusCodes[result] ?? 'crypto-failure';
  throw new FormatError(code, `SRTP refused the packet: ${code}`);
}

/** How a context starts when it is not with a fresh DTLS session. For test vectors and tests of the bounds. */
export interface SrtpContextOptions {
  /** `session`: key and salt are those of the packets, without derivation; the authentication key is zeros. */
  readonly keysAre?: 'master' | 'session';
}

/** Where a sender's counters start. */
export interface SrtpSenderOptions extends SrtpContextOptions {
  /** Rollover counter (32 bits) of the first packet of every SSRC. Default 0. */
  readonly rolloverCounter?: number;
  /** First SRTCP index (31 bits). Default 0. */
  readonly rtcpIndex?: number;
}

/** Session keys of SRTP or SRTCP (RFC 3711 §4.3). */
export interface SrtpSessionKeys {
  readonly key: Uint8Array;
  /** Of 20 bytes; the GCM profiles do not use it. */
  readonly authKey: Uint8Array;
  readonly salt: Uint8Array;
}

/**
 * Derives session keys from master key and salt, with a key derivation rate of zero (RFC 3711 §4.3.1).
 *
 * @throws TypeError when the lengths do not fit the profile.
 */
export function deriveSrtpSessionKeys(
  profile: SrtpProfile,
  key: Uint8Array,
  salt: Uint8Array,
  kind: 'rtp' | 'rtcp',
): SrtpSessionKeys {
  return (loadNativeAddon() as SrtpAddon).deriveSrtpSessionKeys(profile, key, salt, kind === 'rtcp');
}

/**
 * Protects packets as the forwarding threads do, one at a time: for tests and simulated peers. Keeps the rollover
 * counter of each SSRC and the SRTCP index. No sequence number is taken twice.
 */
export class SrtpSender {
  readonly #native: InstanceType<SrtpAddon['SrtpSender']>;

  /**
   * @param key master key: 16 bytes, or 32 for AEAD_AES_256_GCM. Copied.
   * @param salt master salt: 14 bytes, or 12 for the GCM profiles. Copied.
   * @throws TypeError when the lengths do not fit the profile.
   */
  constructor(profile: SrtpProfile, key: Uint8Array, salt: Uint8Array, options: SrtpSenderOptions = {}) {
    const { keysAre = 'master', rolloverCounter = 0, rtcpIndex = 0 } = options;
    const addon = loadNativeAddon() as SrtpAddon;
    this.#native = new addon.SrtpSender(
      profile,
      key,
      salt,
      keysAre === 'session',
      rolloverCounter,
      rtcpIndex,
    );
  }

  /**
   * The RTP packet encrypted and tagged, in a new array.
   *
   * @throws FormatError with a code of {@link SrtpRefusal}.
   */
  protectRtp(packet: Uint8Array): Uint8Array {
    return packetOf(this.#native.protectRtp(packet));
  }

  /**
   * The compound RTCP packet encrypted and tagged, in a new array.
   *
   * @throws FormatError with a code of {@link SrtpRefusal}.
   */
  protectRtcp(packet: Uint8Array): Uint8Array {
    return packetOf(this.#native.protectRtcp(packet));
  }
}

/**
 * Opens packets as the forwarding threads do, one at a time: for tests and simulated peers. Keeps the rollover counter
 * and the replay windows (1024 packets of RTP, 128 of RTCP) of each SSRC; only authentic packets change them.
 */
export class SrtpReceiver {
  readonly #native: InstanceType<SrtpAddon['SrtpReceiver']>;

  /**
   * @param key master key: 16 bytes, or 32 for AEAD_AES_256_GCM. Copied.
   * @param salt master salt: 14 bytes, or 12 for the GCM profiles. Copied.
   * @param maxSsrcs distinct SSRCs to accept; packets of further ones are refused.
   * @throws TypeError when the lengths do not fit the profile.
   */
  constructor(
    profile: SrtpProfile,
    key: Uint8Array,
    salt: Uint8Array,
    maxSsrcs: number,
    options: SrtpContextOptions = {},
  ) {
    const addon = loadNativeAddon() as SrtpAddon;
    this.#native = new addon.SrtpReceiver(profile, key, salt, options.keysAre === 'session', maxSsrcs);
  }

  /**
   * The RTP packet in clear, in a new array.
   *
   * @throws FormatError with a code of {@link SrtpRefusal}.
   */
  unprotectRtp(packet: Uint8Array): Uint8Array {
    return packetOf(this.#native.unprotectRtp(packet));
  }

  /**
   * The compound RTCP packet in clear, in a new array.
   *
   * @throws FormatError with a code of {@link SrtpRefusal}.
   */
  unprotectRtcp(packet: Uint8Array): Uint8Array {
    return packetOf(this.#native.unprotectRtcp(packet));
  }
}
