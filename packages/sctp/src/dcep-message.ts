import { ByteReader, ByteWriter, FormatError, fromUtf8, toUtf8 } from '@conclave/bytes';

/** Payload protocol identifiers of WebRTC data channels (RFC 8831 §8). */
export const Ppid = {
  dcep: 50,
  text: 51,
  binary: 53,
  emptyText: 56,
  emptyBinary: 57,
} as const;

const MESSAGE_TYPE_OPEN = 0x03;
const MESSAGE_TYPE_ACK = 0x02;

/** Channel types that exist: reliable, partially reliable by retransmissions or time, each also unordered. */
const CHANNEL_TYPES: readonly number[] = [0x00, 0x01, 0x02, 0x80, 0x81, 0x82];

/** Longest label and protocol that are accepted. WebRTC allows 65535; nothing here needs names of that size. */
export const MAX_NAME_BYTES = 1024;

/** A message of the data channel establishment protocol (RFC 8832 §5). */
export type DcepMessage =
  | {
      readonly type: 'open';
      readonly channelType: number;
      readonly priority: number;
      /** Retransmissions or milliseconds, by the channel type. */
      readonly reliability: number;
      readonly label: string;
      readonly protocol: string;
    }
  | { readonly type: 'ack' };

/**
 * Reads a DCEP message. Throws {@link FormatError}: `truncated`, `bad-dcep-type`, `bad-channel-type`,
 * `name-too-long`, `bad-utf8`, `trailing-bytes`.
 */
export function parseDcep(bytes: Uint8Array): DcepMessage {
  const reader = new ByteReader(bytes);
  const messageType = reader.u8();
  if (messageType === MESSAGE_TYPE_ACK) return { type: 'ack' };
  if (messageType !== MESSAGE_TYPE_OPEN) throw new FormatError('bad-dcep-type', `DCEP type ${messageType}`);
  const channelType = reader.u8();
  if (!CHANNEL_TYPES.includes(channelType)) {
    throw new FormatError('bad-channel-type', `data channel type ${channelType}`);
  }
  const priority = reader.u16();
  const reliability = reader.u32();
  const labelLength = reader.u16();
  const protocolLength = reader.u16();
  if (labelLength > MAX_NAME_BYTES || protocolLength > MAX_NAME_BYTES) {
    throw new FormatError('name-too-long', `label of ${labelLength}, protocol of ${protocolLength} bytes`);
  }
  const label = fromUtf8(reader.bytes(labelLength));
  const protocol = fromUtf8(reader.bytes(protocolLength));
  if (reader.remaining > 0) throw new FormatError('trailing-bytes', 'bytes after DATA_CHANNEL_OPEN');
  return { type: 'open', channelType, priority, reliability, label, protocol };
}

/**
 * DATA_CHANNEL_OPEN for a reliable, ordered channel. Throws {@link RangeError} when label or protocol are longer than
 * {@link MAX_NAME_BYTES} in UTF-8.
 */
export function encodeDcepOpen(label: string, protocol: string, priority: number): Uint8Array {
  const labelBytes = toUtf8(label);
  const protocolBytes = toUtf8(protocol);
  if (labelBytes.length > MAX_NAME_BYTES || protocolBytes.length > MAX_NAME_BYTES) {
    throw new RangeError(`label and protocol have at most ${MAX_NAME_BYTES} bytes`);
  }
  return new ByteWriter(12 + labelBytes.length + protocolBytes.length)
    .u8(MESSAGE_TYPE_OPEN)
    .u8(0x00)
    .u16(priority)
    .u32(0)
    .u16(labelBytes.length)
    .u16(protocolBytes.length)
    .bytes(labelBytes)
    .bytes(protocolBytes)
    .finish();
}

/** DATA_CHANNEL_ACK. */
export function encodeDcepAck(): Uint8Array {
  return Uint8Array.of(MESSAGE_TYPE_ACK);
}
