/**
 * Whether an RTP payload of VP8 is the first of a key frame: by the payload descriptor (RFC 7741 §4.2), and the first
 * bit of the frame behind it (§4.3), which is 0 in a key frame. An encrypted frame tells the same only if its sender
 * sets that bit so.
 *
 * ```
 * +-+-+-+-+-+-----+
 * |X|R|N|S|R| PID |   S: a partition starts; PID: which
 * |I|L|T|K|  RSV  |   only if X: which of the following there are
 * |M| picture id  |   I: one byte, two if M
 * |   TL0PICIDX   |   L
 * | TID |Y|KEYIDX |   T or K
 * +---------------+
 * ```
 */
export function startsVp8KeyFrame(payload: Uint8Array): boolean {
  const first = payload[0] ?? 0;
  if ((first & (START | PARTITION)) !== START) return false;
  const fields = (first & EXTENDED) === 0 ? 0 : (payload[1] ?? 0);
  let at = (first & EXTENDED) === 0 ? 1 : 2;
  if ((fields & PICTURE_ID) !== 0) at += ((payload[at] ?? 0) & LONG_PICTURE_ID) === 0 ? 1 : 2;
  if ((fields & TL0_INDEX) !== 0) at++;
  if ((fields & (TEMPORAL_LAYER | KEY_INDEX)) !== 0) at++;
  const frame = payload[at];
  return frame !== undefined && (frame & 1) === 0;
}

const EXTENDED = 0x80;
const START = 0x10;
const PARTITION = 0x07;
const PICTURE_ID = 0x80;
const TL0_INDEX = 0x40;
const TEMPORAL_LAYER = 0x20;
const KEY_INDEX = 0x10;
const LONG_PICTURE_ID = 0x80;
