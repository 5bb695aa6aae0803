/**
 * What tests need and programs do not: virtual time, lossy links, seeded chance, packets as clients send them, an SRTP of
 * its own and the model of the forwarding plane. Runs under node, imported by tests only, tied to no test runner.
 *
 * @packageDocumentation
 */
export * from './certificate-authority.ts';
export * from './client-socket.ts';
export * from './flow-table-model.ts';
export * from './linked-peers.ts';
export * from './lossy-link.ts';
export * from './node-client.ts';
export * from './offer-lines.ts';
export * from './received-stream.ts';
export * from './relay-table-model.ts';
export * from './rtp-packet-factory.ts';
export * from './seeded-random.ts';
export * from './srtp-oracle.ts';
export * from './virtual-clock.ts';
