/**
 * A full ICE agent (RFC 8445) for one component of one stream, as BUNDLE and rtcp-mux leave it: candidates,
 * connectivity checks, regular nomination, consent freshness (RFC 7675), ICE-TCP passive (RFC 6544) and peers
 * whose address changes. It has no socket, no timer and no clock.
 *
 * Many agents may share one socket. A mux hands each its packets: requests by the local ufrag in USERNAME
 * ({@link stunUsernameOf}, {@link parseUfrags}), responses by the tag that the agent puts into the first four
 * bytes of every transaction id ({@link transactionTagOf}).
 *
 * After every call of a `handle…` method or of `setRemote` the owner drains `pollTransmit` and `pollEvent` and
 * arms one timer for `pollTimeout`.
 *
 * Departures from RFC 8445, each for a reason:
 * - No pair starts Frozen (§6.1.2.6): with one component of one stream that only delays checks.
 * - A response from another address than the request went to is ignored instead of failing the pair (§7.2.5.2.1):
 *   whoever replays one from elsewhere cannot end a good path.
 * - The mapped address in a response is checked for presence alone (§7.2.5.3.1): all our candidates share
 *   sockets, and a path is the socket and the remote address.
 * - Another pair may be nominated later (§8.1.1) when the selected one falls silent, or when UDP comes up after
 *   TCP; aggressive nomination (RFC 5245) has taught every client to follow.
 * - An unanswered consent check is sent again a few times with the same transaction id, so that one lost
 *   datagram is no alarm.
 *
 * Left out: gathering from STUN and TURN servers, trickling out, ICE restart (a new agent is made instead) and
 * ICE lite.
 *
 * @packageDocumentation
 */
export * from './address-scope.ts';
export * from './binding-message.ts';
export * from './candidate-priority.ts';
export * from './ice-agent.ts';
export * from './ice-agent-options.ts';
export * from './ice-candidate.ts';
export * from './ice-credentials.ts';
export * from './ice-event.ts';
export * from './ice-path.ts';
export * from './ice-stats.ts';
export * from './ice-timings.ts';
export type { LocalCandidateOptions } from './local-candidates.ts';
