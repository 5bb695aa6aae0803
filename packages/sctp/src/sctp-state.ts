/** States of an association (RFC 9260 §4); `idle` and `ended` are its CLOSED before and after. */
export type SctpState =
  | 'idle'
  | 'cookie-wait'
  | 'cookie-echoed'
  | 'established'
  | 'shutdown-pending'
  | 'shutdown-sent'
  | 'shutdown-received'
  | 'shutdown-ack-sent'
  | 'ended';

/** Whether the handshake is not over. */
export function isOpening(state: SctpState): boolean {
  return state === 'idle' || state === 'cookie-wait' || state === 'cookie-echoed';
}

/** Whether DATA of ours may leave (RFC 9260 §6). */
export function maySendData(state: SctpState): boolean {
  return state === 'established' || state === 'shutdown-pending' || state === 'shutdown-received';
}

/** Whether DATA of the peer's is accepted (RFC 9260 §6). */
export function mayReceiveData(state: SctpState): boolean {
  return state === 'established' || state === 'shutdown-pending' || state === 'shutdown-sent';
}
