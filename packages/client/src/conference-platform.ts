import type { MediaCrypto } from '@conclave/e2ee';

/** Stops what it was given for; a second call does nothing. */
export type Cancel = () => void;

/** What a conference needs of the machine it runs on: a browser's page, or Node for bots. */
export interface ConferencePlatform {
  readonly crypto: MediaCrypto;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** That many bytes from a secure generator. */
  random(length: number): Uint8Array;
  after(delayMs: number, run: () => void): Cancel;
  /** One HTTP POST. Rejects when there is no answer or the signal aborts. */
  post(url: string, body: string, signal: AbortSignal): Promise<{ status: number; body: string }>;
  /** A connection to one server, before it has seen the server's offer. */
  createPeer(events: PeerEvents): ConferencePeer;
}

/** What a peer tells its owner. Nothing comes after {@link ConferencePeer.close}. */
export interface PeerEvents {
  /** The channel `calling-3.0` is open. */
  readonly opened: () => void;
  /** A text message on that channel. */
  readonly message: (text: string) => void;
  /** The transport failed or the other side closed the channel. Comes once at most. */
  readonly failed: (reason: string) => void;
}

/** One connection to one server. Media goes in and out through what the platform makes of it. */
export interface ConferencePeer {
  /** Takes the server's offer and returns the answer with all its candidates. Rejects for an offer that cannot be taken. */
  answer(offerSdp: string): Promise<string>;
  /** Sends text on the channel; false if it is not open. */
  send(text: string): boolean;
  close(): void;
}
