import { FormatError, type RandomBytes } from '@conclave/bytes';

const ICE_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** User name fragment and password of one agent (RFC 8445 §5.3). The password is a secret of the session. */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/**
 * Fresh credentials. A shorter ufrag makes a shorter SDP; it must be unique among the agents behind one mux,
 * so that 6 characters (36 bits, the default) suit thousands of agents. The password has 24 characters, 144
 * bits, where RFC 8445 §5.3 asks for 128.
 */
export function makeIceCredentials(random: RandomBytes, ufragLength = 6): IceCredentials {
  return { ufrag: randomIceChars(random, ufragLength), pwd: randomIceChars(random, 24) };
}

/**
 * Throws {@link FormatError} `bad-ufrag` or `bad-pwd` unless both have the length and the characters that
 * RFC 8839 §5.4 demands: 4 to 256 and 22 to 256 of letters, digits, `+` and `/`.
 */
export function checkIceCredentials({ ufrag, pwd }: IceCredentials): void {
  if (!/^[A-Za-z0-9+/]{4,256}$/.test(ufrag)) throw new FormatError('bad-ufrag', 'not an ice-ufrag');
  if (!/^[A-Za-z0-9+/]{22,256}$/.test(pwd)) throw new FormatError('bad-pwd', 'not an ice-pwd');
}

function randomIceChars(random: RandomBytes, length: number): string {
  let text = '';
  for (const byte of random(length)) text += ICE_CHARS.charAt(byte & 63);
  return text;
}
