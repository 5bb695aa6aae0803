import { ByteReader, ByteWriter, FormatError } from '@conclave/bytes';
import { parseParameters, writeParameter } from './tlv-parameter.ts';

/** Parameter types of a RE-CONFIG chunk (RFC 6525 §4). */
const ReconfigParameter = {
  outgoingReset: 13,
  incomingReset: 14,
  associationReset: 15,
  response: 16,
  addOutgoingStreams: 17,
  addIncomingStreams: 18,
} as const;

/** Result codes of a response (RFC 6525 §4.4). */
export const ReconfigResult = {
  nothingToDo: 0,
  performed: 1,
  denied: 2,
  wrongSsn: 3,
  alreadyInProgress: 4,
  badSequenceNumber: 5,
  inProgress: 6,
} as const;

/** The sender has stopped sending on some streams and starts their sequence numbers anew (RFC 6525 §4.1). */
export interface OutgoingReset {
  readonly type: 'outgoing-reset';
  readonly sequenceNumber: number;
  /** The last TSN the sender gave out before: with it everything old has arrived. */
  readonly lastTsn: number;
  /** Empty: all streams. */
  readonly streamIds: readonly number[];
}

/** One request or response of a RE-CONFIG chunk. */
export type ReconfigItem =
  | OutgoingReset
  | { readonly type: 'response'; readonly sequenceNumber: number; readonly result: number }
  | { readonly type: 'add-outgoing-streams'; readonly sequenceNumber: number; readonly count: number }
  /** A request that is always denied. */
  | { readonly type: 'other-request'; readonly sequenceNumber: number };

/**
 * Reads the value of a RE-CONFIG chunk (RFC 6525 §3.1): one or two items. Throws {@link FormatError}: `truncated`,
 * `bad-parameter-length`, `bad-reconfig` for none, more than two, or an unknown item.
 */
export function parseReconfig(value: Uint8Array): ReconfigItem[] {
  const parameters = parseParameters(value);
  if (parameters.length === 0 || parameters.length > 2) {
    throw new FormatError('bad-reconfig', `${parameters.length} parameters in RE-CONFIG`);
  }
  return parameters.map((parameter): ReconfigItem => {
    const reader = new ByteReader(parameter.value);
    const sequenceNumber = reader.u32();
    switch (parameter.type) {
      case ReconfigParameter.outgoingReset: {
        reader.skip(4);
        const lastTsn = reader.u32();
        const streamIds: number[] = [];
        while (reader.remaining > 0) streamIds.push(reader.u16());
        return { type: 'outgoing-reset', sequenceNumber, lastTsn, streamIds };
      }
      case ReconfigParameter.response:
        return { type: 'response', sequenceNumber, result: reader.u32() };
      case ReconfigParameter.addOutgoingStreams:
        return { type: 'add-outgoing-streams', sequenceNumber, count: reader.u16() };
      case ReconfigParameter.incomingReset:
      case ReconfigParameter.associationReset:
      case ReconfigParameter.addIncomingStreams:
        return { type: 'other-request', sequenceNumber };
      default:
        throw new FormatError('bad-reconfig', `parameter type ${parameter.type} in RE-CONFIG`);
    }
  });
}

/** The value of a RE-CONFIG chunk with one outgoing reset request that answers no request of the peer's. */
export function encodeOutgoingReset(reset: OutgoingReset, peerLastSequenceNumber: number): Uint8Array {
  const body = new ByteWriter(12 + 2 * reset.streamIds.length)
    .u32(reset.sequenceNumber)
    .u32(peerLastSequenceNumber)
    .u32(reset.lastTsn);
  for (const streamId of reset.streamIds) body.u16(streamId);
  const out = new ByteWriter();
  writeParameter(out, ReconfigParameter.outgoingReset, body.finish());
  return out.finish();
}

/** The value of a RE-CONFIG chunk with responses, at most two. */
export function encodeReconfigResponses(
  responses: readonly { readonly sequenceNumber: number; readonly result: number }[],
): Uint8Array {
  const out = new ByteWriter();
  for (const { sequenceNumber, result } of responses) {
    const body = new ByteWriter(8).u32(sequenceNumber).u32(result);
    writeParameter(out, ReconfigParameter.response, body.finish());
  }
  return out.finish();
}
