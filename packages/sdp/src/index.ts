/**
 * The session descriptions of a conference leg: the offer that a server makes, and what it needs of the answer.
 * Not a general SDP library: the offer has one shape, chosen so that all clients of Wire and all browsers take it,
 * and of an answer only what the server acts upon is kept. Text from peers is bounded and throws `FormatError` at
 * worst.
 *
 * @packageDocumentation
 */
export * from './answer.ts';
export * from './answered-section.ts';
export * from './media-format.ts';
export * from './offer.ts';
export * from './offer-size.ts';
export * from './session-text.ts';
