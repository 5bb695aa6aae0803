/**
 * TURN (RFC 8656) with STUN (RFC 8489) and TCP relays (RFC 6062), server and client, as state machines without
 * sockets, timers or clock.
 *
 * The server decides and tells: which relays to open, which peers may pass, which channels are bound. A data
 * plane carries that out and relays by itself; what it hands up, the server relays through effects.
 *
 * Left out: mobility (RFC 8016), third-party authorisation (RFC 7635) and the classic STUN of RFC 3489.
 *
 * @packageDocumentation
 */
export * from './address-range.ts';
export * from './channel-data.ts';
export * from './five-tuple.ts';
export * from './password-algorithm.ts';
export * from './peer-policy.ts';
export type { RelayQuotaLimits } from './relay-quota.ts';
export * from './server-effect.ts';
export * from './source-rate-limit.ts';
export * from './stateless-nonce.ts';
export * from './turn-client.ts';
export * from './turn-client-options.ts';
export * from './turn-credentials.ts';
export * from './turn-server.ts';
export * from './turn-server-options.ts';
export type { TurnServerStats } from './turn-server-stats.ts';
export * from './turn-stream-framer.ts';
