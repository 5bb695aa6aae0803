/**
 * End-to-end encryption of media frames in the format of Wire's clients, and where its keys come from: a meeting link,
 * CONFKEY messages between members, or an application's own key agreement. Runs on WebCrypto in pages, in workers and
 * in Node; time, randomness and messages come in and go out through arguments and polls.
 *
 * Keys are in plain byte arrays here, since workers and messages need them so: nothing of this package logs.
 *
 * Out of scope: who is a member (that is the application's to say), and transport of messages and media.
 *
 * @packageDocumentation
 */
export * from './confkey-message.ts';
export * from './confkey-provider.ts';
export * from './external-provider.ts';
export * from './frame-decryptor.ts';
export * from './frame-encryptor.ts';
export * from './frame-header.ts';
export * from './frame-transform.ts';
export * from './frame-transform-page.ts';
export * from './frame-transform-worker.ts';
export * from './key-derivation.ts';
export * from './key-index.ts';
export * from './key-provider.ts';
export * from './key-roster.ts';
export * from './key-store.ts';
export * from './link-secret-provider.ts';
export * from './meeting-link.ts';
export * from './meeting-secret.ts';
export * from './property-box.ts';
export * from './replay-window.ts';
export * from './sender-directory.ts';
export * from './subtle-crypto.ts';
