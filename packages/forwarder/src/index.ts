/**
 * The forwarding plane: typed rules over a C++ addon that owns the sockets, SRTP and every media packet; the relay plane
 * of TURN in the same way; and DTLS sessions on the OpenSSL that Node carries.
 *
 * @packageDocumentation
 */
export * from './dtls-session.ts';
export * from './flow-table.ts';
export * from './native-dtls-session.ts';
export * from './native-forwarder.ts';
export * from './native-relay-plane.ts';
export * from './native-srtp.ts';
export * from './relay-plane.ts';
export * from './relay-table.ts';
