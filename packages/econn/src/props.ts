/**
 * Properties of a participant: names to texts. Known names are `videosend`, `screensend` (`true`, `false`, `paused`),
 * `audiocbr`, `muted` (`true`, `false`) and `keysync`; others are carried unread. Never has a property `__proto__`;
 * parsed ones have no prototype.
 */
export type Props = Readonly<Record<string, string>>;

/** Most properties of one participant. Clients send five. */
export const MAX_PROPS = 16;

/**
 * Most characters of all names and values together. Every property is forwarded to everybody who authorised its
 * owner: a higher value lets one participant send more through the server's own channel.
 */
export const MAX_PROPS_LENGTH = 4096;

/** Most characters of the names and values that the server does not know; for extensions of clients. */
export const MAX_UNKNOWN_PROPS_LENGTH = 2048;
