/**
 * One peer's transport: ICE, DTLS and SCTP behind one poll loop, and the router that lets many of them share a
 * socket. SRTP itself runs in the forwarding plane; this package hands it the keys.
 *
 * @packageDocumentation
 */
export * from './link-path.ts';
export * from './link-transport.ts';
export * from './peer-transport.ts';
export * from './secured-association.ts';
export * from './stun-router.ts';
