/**
 * Readers and writers of bytes, sequence arithmetic, text codecs, addresses and branded values: what every
 * protocol package needs and the language does not have. Depends on nothing and touches no platform.
 *
 * @packageDocumentation
 */
export * from './branded.ts';
export * from './byte-array.ts';
export * from './byte-reader.ts';
export * from './byte-text.ts';
export * from './byte-writer.ts';
export * from './format-error.ts';
export * from './ip-address.ts';
export * from './secret.ts';
export * from './sequence-number.ts';
