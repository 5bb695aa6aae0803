import { ByteReader, ByteWriter, FormatError } from '@conclave/bytes';
import { ChunkType, unknownTypeAction } from './chunk-type.ts';
import { parseParameters, writeParameter } from './tlv-parameter.ts';

/** Parameter types of INIT and INIT ACK (RFC 9260 §3.3.2, RFC 5061 §4.2.7, RFC 3758 §3.1). */
const InitParameter = {
  ipv4Address: 5,
  ipv6Address: 6,
  stateCookie: 7,
  unrecognized: 8,
  cookiePreservative: 9,
  hostName: 11,
  supportedAddressTypes: 12,
  supportedExtensions: 0x8008,
  forwardTsnSupported: 0xc000,
} as const;

/** A window smaller than this is not allowed in INIT and INIT ACK (RFC 9260 §3.3.2). */
const MIN_INITIAL_WINDOW = 1500;

/** Most bytes that reports of unknown parameters may take, lest they push our answer over the MTU. */
const MAX_REPORTED_BYTES = 256;

/** What INIT and INIT ACK say. */
export interface InitChunk {
  readonly initiateTag: number;
  readonly advertisedWindow: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  readonly initialTsn: number;
  /** INIT ACK only. */
  readonly cookie?: Uint8Array;
  /** The peer can receive FORWARD TSN (RFC 3758). */
  readonly forwardTsn: boolean;
  /** The peer can reset streams (RFC 6525). */
  readonly reconfig: boolean;
  /** Whole parameters whose type asks for a report, few enough to be sent back in one chunk. */
  readonly unrecognized: readonly Uint8Array[];
}

/**
 * Why an INIT or INIT ACK must be refused although it could be read: `zero-tag`, or `bad-value` for a window under
 * 1500 bytes or no streams (RFC 9260 §3.3.2), or `host-name` (§3.3.2: not allowed any more).
 */
export type InitFault = 'zero-tag' | 'bad-value' | 'host-name';

/** The result of {@link parseInit}: the fault, if any, is for the caller to answer as the state demands. */
export interface ParsedInit {
  readonly init: InitChunk;
  readonly fault: InitFault | undefined;
}

/** Reads the value of an INIT or INIT ACK chunk. Throws {@link FormatError} when it ends early or lengths lie. */
export function parseInit(value: Uint8Array): ParsedInit {
  const reader = new ByteReader(value);
  const initiateTag = reader.u32();
  const advertisedWindow = reader.u32();
  const outboundStreams = reader.u16();
  const inboundStreams = reader.u16();
  const initialTsn = reader.u32();
  let fault: InitFault | undefined;
  if (advertisedWindow < MIN_INITIAL_WINDOW || outboundStreams === 0 || inboundStreams === 0)
    fault = 'bad-value';
  if (initiateTag === 0) fault = 'zero-tag';

  let cookie: Uint8Array | undefined;
  let forwardTsn = false;
  let reconfig = false;
  const unrecognized: Uint8Array[] = [];
  let reportedBytes = 0;
  for (const parameter of parseParameters(reader.rest())) {
    if (parameter.type === InitParameter.stateCookie) {
      cookie ??= parameter.value.slice();
    } else if (parameter.type === InitParameter.forwardTsnSupported) {
      forwardTsn = true;
    } else if (parameter.type === InitParameter.supportedExtensions) {
      forwardTsn ||= parameter.value.includes(ChunkType.forwardTsn);
      reconfig ||= parameter.value.includes(ChunkType.reconfig);
    } else if (parameter.type === InitParameter.hostName) {
      fault ??= 'host-name';
    } else if (!isHarmless(parameter.type)) {
      const action = unknownTypeAction(parameter.type >>> 14);
      const reportBytes = 4 + ((parameter.whole.length + 3) & ~3);
      if (action.report && reportedBytes + reportBytes <= MAX_REPORTED_BYTES) {
        reportedBytes += reportBytes;
        unrecognized.push(parameter.whole.slice());
      }
      if (!action.proceed) break;
    }
  }
  const init = { initiateTag, advertisedWindow, outboundStreams, inboundStreams, initialTsn };
  return {
    init: { ...init, forwardTsn, reconfig, unrecognized, ...(cookie ? { cookie } : {}) },
    fault,
  };
}

/** Known, and without meaning over DTLS: addresses are not ours to care for. */
function isHarmless(type: number): boolean {
  return (
    type === InitParameter.ipv4Address ||
    type === InitParameter.ipv6Address ||
    type === InitParameter.cookiePreservative ||
    type === InitParameter.supportedAddressTypes ||
    type === InitParameter.unrecognized
  );
}

/**
 * The value of an INIT (without `cookie`) or INIT ACK chunk. We announce stream reset and FORWARD TSN, neither
 * interleaving nor the empty checksum.
 */
export function encodeInit(init: InitChunk): Uint8Array {
  const out = new ByteWriter(64)
    .u32(init.initiateTag)
    .u32(init.advertisedWindow)
    .u16(init.outboundStreams)
    .u16(init.inboundStreams)
    .u32(init.initialTsn);
  if (init.cookie) writeParameter(out, InitParameter.stateCookie, init.cookie);
  const extensions: number[] = [];
  if (init.reconfig) extensions.push(ChunkType.reconfig);
  if (init.forwardTsn) extensions.push(ChunkType.forwardTsn);
  if (extensions.length > 0) {
    writeParameter(out, InitParameter.supportedExtensions, Uint8Array.from(extensions));
  }
  if (init.forwardTsn) writeParameter(out, InitParameter.forwardTsnSupported, new Uint8Array(0));
  for (const whole of init.unrecognized) writeParameter(out, InitParameter.unrecognized, whole);
  return out.finish();
}
