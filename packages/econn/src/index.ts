/**
 * Wire's conference messages ("econn" 3.0): the typed messages with their JSON codec, the hashes that stand for
 * conversations and users, the access token, and the version of the client that speaks. Everything here is a
 * function of its arguments; text from peers is bounded before it is read and throws `FormatError` at worst.
 *
 * Out of scope: who may send what when (that is the conference's), and the session descriptions inside SETUP and
 * UPDATE, which pass through as text.
 *
 * @packageDocumentation
 */
export * from './access-token.ts';
export * from './bounded-json.ts';
export * from './encode-message.ts';
export * from './hashed-id.ts';
export * from './link-message.ts';
export * from './message.ts';
export * from './parse-message.ts';
export * from './props.ts';
export * from './server-messages.ts';
export * from './tool-version.ts';
