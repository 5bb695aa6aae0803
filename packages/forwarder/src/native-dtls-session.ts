import type { NowMs } from '@conclave/bytes';
import type { CreateDtlsSession, DtlsEvent, DtlsIdentity, DtlsOptions, DtlsSession } from './dtls-session.ts';
import { loadNativeAddon } from './native-addon.ts';

/** The addon's session. Methods that move it return the milliseconds until its timer is due, or less than zero. */
interface NativeSession {
  start(): number;
  handlePacket(bytes: Uint8Array): number;
  handleTimeout(): number;
  pollTransmit(): Uint8Array | undefined;
  pollEvent(): DtlsEvent | undefined;
  send(bytes: Uint8Array): boolean;
  close(): void;
}

interface DtlsAddon {
  generateDtlsIdentity(): DtlsIdentity;
  loadDtlsIdentity(certificatePem: Uint8Array, keyPem: Uint8Array, authorityPem: Uint8Array): DtlsIdentity;
  DtlsSession: new (
    identity: DtlsIdentity,
    isServer: boolean,
    srtpProfiles: readonly number[],
    mtu: number,
  ) => NativeSession;
}

/** Fits every path a browser's own media fits, with room for tunnels and IPv6. */
const defaultMtu = 1200;
/** Largest datagram {@link DtlsSession.send} takes, in bytes, at the default mtu. */
const maxDataBytes = 1100;

/**
 * Makes a key and a self-signed certificate: ECDSA on P-256, valid from yesterday for thirty days. Takes about a
 * tenth of a millisecond. One identity serves any number of sessions, which share its OpenSSL context.
 *
 * The object is the identity: a copy of its properties is not one. Its key never leaves the addon.
 *
 * @throws Error when the addon was not built.
 */
export function generateDtlsIdentity(): DtlsIdentity {
  return (loadNativeAddon() as DtlsAddon).generateDtlsIdentity();
}

/** What {@link loadDtlsIdentity} reads, as bytes of PEM text. */
export interface DtlsIdentityFiles {
  /** The certificate, and the intermediates that lead to its authority. */
  readonly certificatePem: Uint8Array;
  readonly keyPem: Uint8Array;
  /** Certificates of the authorities that peers' certificates have to be of. At most 64. */
  readonly authorityPem: Uint8Array;
}

/**
 * An identity whose sessions talk only to peers with a valid certificate of one of the authorities, made for servers.
 * For whom it is made, the session's owner checks by `peerCertificateDer`.
 *
 * @throws Error with a sentence when a file holds no certificate or key, or the key is not the certificate's.
 */
export function loadDtlsIdentity(files: DtlsIdentityFiles): DtlsIdentity {
  const addon = loadNativeAddon() as DtlsAddon;
  return addon.loadDtlsIdentity(files.certificatePem, files.keyPem, files.authorityPem);
}

/**
 * Makes a DTLS 1.2 session (RFC 6347) on the OpenSSL that Node carries: ephemeral ECDH on X25519 or P-256, AES-GCM or
 * ChaCha20-Poly1305, the peer's certificate required, no renegotiation, no resumption. With a generated identity any certificate is accepted.
 *
 * - The owner polls transmits and events after every call; beyond 64 datagrams or 256 events the newest are lost.
 * - A server takes a first message it cannot serve (other versions, no common cipher, broken) as if it had not come,
 *   and goes on waiting. Once a handshake is under way a well-formed forgery from the peer's own address can make it
 *   fail, as in any DTLS before its last message.
 * - OpenSSL counts retransmission times by the wall clock: 250 ms at first, doubling to 4 s, the session closed after
 *   the twelfth, some 40 s from the start. `now` only says from when {@link DtlsSession.pollTimeout} counts.
 *
 * @throws TypeError when the identity is not from {@link generateDtlsIdentity} or a profile is unknown or repeated;
 * RangeError when the mtu is not from 256 to 1500; Error when the addon was not built.
 */
export const createDtlsSession: CreateDtlsSession = (options: DtlsOptions): DtlsSession =>
  new NativeDtlsSession(options);

class NativeDtlsSession implements DtlsSession {
  readonly #native: NativeSession;
  #deadline: NowMs | undefined;

  constructor(options: DtlsOptions) {
    const { identity, role, srtpProfiles, mtu = defaultMtu } = options;
    const { DtlsSession } = loadNativeAddon() as DtlsAddon;
    this.#native = new DtlsSession(identity, role === 'server', srtpProfiles, mtu);
  }

  start(now: NowMs): void {
    this.#setTimer(now, this.#native.start());
  }

  handlePacket(now: NowMs, bytes: Uint8Array): void {
    this.#setTimer(now, this.#native.handlePacket(bytes));
  }

  handleTimeout(now: NowMs): void {
    if (this.#deadline === undefined || now < this.#deadline) return;
    this.#setTimer(now, this.#native.handleTimeout());
  }

  pollTimeout(): NowMs | undefined {
    return this.#deadline;
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#native.pollTransmit();
  }

  pollEvent(): DtlsEvent | undefined {
    return this.#native.pollEvent();
  }

  send(bytes: Uint8Array): void {
    if (bytes.length === 0 || bytes.length > maxDataBytes) {
      throw new RangeError(`a DTLS datagram carries 1 to ${maxDataBytes} bytes, not ${bytes.length}`);
    }
    if (!this.#native.send(bytes))
      throw new Error('the DTLS session is not connected, or its mtu is too small');
  }

  close(): void {
    this.#native.close();
    this.#deadline = undefined;
  }

  #setTimer(now: NowMs, delayMs: number): void {
    // Never at once: the wall clock may say due a little before OpenSSL does.
    this.#deadline = delayMs < 0 ? undefined : now + Math.max(delayMs, 1);
  }
}
