/** What an association tells its owner. */
export type SctpEvent =
  /** Both sides know each other. Comes again when the peer has restarted and everything begins anew. */
  | { readonly type: 'connected' }
  /** A channel can be used: the peer opened it, or acknowledged ours. */
  | {
      readonly type: 'channel-open';
      readonly streamId: number;
      readonly label: string;
      readonly protocol: string;
    }
  /** A whole message; binary data belongs to the receiver of the event. */
  | { readonly type: 'message'; readonly streamId: number; readonly data: string | Uint8Array }
  /** The channel carries nothing any more. */
  | { readonly type: 'channel-closed'; readonly streamId: number }
  /** The association has ended; its channels with it. The last event. */
  | { readonly type: 'closed'; readonly reason: string };
