import type { NowMs } from '@conclave/bytes';
import type { SrtpKeys, SrtpProfile } from './flow-table.ts';

/** A certificate with its key, as used for DTLS-SRTP. */
export interface DtlsIdentity {
  /** SHA-256 of the certificate: upper-case hexadecimal pairs joined by colons, as in `a=fingerprint`. */
  readonly fingerprint: string;
  readonly certificateDer: Uint8Array;
}

/** How one DTLS session is set up. */
export interface DtlsOptions {
  readonly identity: DtlsIdentity;
  /** `server` waits for the ClientHello (SDP `passive`), `client` sends it (`active`). */
  readonly role: 'server' | 'client';
  /** SRTP profiles offered or accepted, most wanted first. */
  readonly srtpProfiles: readonly SrtpProfile[];
  /** Largest DTLS datagram to send. Default 1200. */
  readonly mtu?: number;
}

/** What a DTLS session tells its owner. */
export type DtlsEvent =
  /**
   * The handshake is complete: OpenSSL has checked that the peer holds the key of its certificate. Whether that is
   * the right certificate is for the owner to check, by the fingerprint, before it uses anything else.
   */
  | {
      readonly type: 'connected';
      readonly peerFingerprint: string;
      /** The certificate itself (DER). With a loaded identity it is of a known authority, whoever it is for. */
      readonly peerCertificateDer: Uint8Array;
      readonly srtpKeys: SrtpKeys | undefined;
    }
  /** One datagram of application data. */
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  /** The peer closed (close_notify), or the session failed for the reason given. */
  | { readonly type: 'closed'; readonly reason: string };

/**
 * One DTLS 1.2 association, sans-IO: datagrams go in and come out by calls, time is an argument. Implemented over the
 * OpenSSL that Node carries.
 */
export interface DtlsSession {
  /** Starts the handshake (client) or readies the session (server). */
  start(now: NowMs): void;
  /** Takes one datagram from the peer. Junk is ignored and never ends the session. */
  handlePacket(now: NowMs, bytes: Uint8Array): void;
  /** Runs the retransmission timer if it is due. */
  handleTimeout(now: NowMs): void;
  /** When {@link DtlsSession.handleTimeout} wants to be called, if at all. */
  pollTimeout(): NowMs | undefined;
  /** The next datagram to send. */
  pollTransmit(): Uint8Array | undefined;
  pollEvent(): DtlsEvent | undefined;
  /** Encrypts one datagram of application data, at most 1100 bytes. Throws unless connected. */
  send(bytes: Uint8Array): void;
  /** Sends close_notify and frees the session. Idempotent; its last datagram can still be polled. */
  close(): void;
}

/** Makes sessions; implemented by the addon, and by nothing else. */
export type CreateDtlsSession = (options: DtlsOptions) => DtlsSession;
