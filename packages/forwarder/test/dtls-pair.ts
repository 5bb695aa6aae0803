import { setTimeout as delay } from 'node:timers/promises';
import {
  createDtlsSession,
  type DtlsEvent,
  type DtlsOptions,
  type DtlsSession,
  generateDtlsIdentity,
  SrtpProfile,
} from '../src/index.ts';

/** What a session said when it was connected. */
export type Connected = Extract<DtlsEvent, { type: 'connected' }>;

/** One end of a pair, with all it has said so far. */
export interface End {
  readonly session: DtlsSession;
  readonly events: DtlsEvent[];
}

/** The way between two ends: takes a datagram and its direction, returns those that arrive. */
export type Link = (datagram: Uint8Array, to: 'server' | 'client') => readonly Uint8Array[];

/** Delivers everything. */
export const perfectLink: Link = (datagram) => [datagram];

/** The profiles in the order in which the server of these tests wants them. */
export const allProfiles: readonly SrtpProfile[] = [
  SrtpProfile.aeadAes256Gcm,
  SrtpProfile.aeadAes128Gcm,
  SrtpProfile.aes128CmSha1_80,
];

/** A session of its own identity unless told. */
export function makeEnd(role: 'server' | 'client', options: Partial<DtlsOptions> = {}): End {
  const session = createDtlsSession({
    identity: generateDtlsIdentity(),
    srtpProfiles: allProfiles,
    ...options,
    role,
  });
  return { session, events: [] };
}

/** Moves datagrams until both ends are silent. */
export function pump(server: End, client: End, link: Link = perfectLink): void {
  for (let moved = true; moved; ) {
    moved = false;
    for (const [from, to, name] of [
      [client, server, 'server'],
      [server, client, 'client'],
    ] as const) {
      for (let sent = from.session.pollTransmit(); sent !== undefined; sent = from.session.pollTransmit()) {
        moved = true;
        for (const datagram of link(sent, name)) to.session.handlePacket(performance.now(), datagram);
      }
    }
    for (const end of [server, client]) {
      for (let event = end.session.pollEvent(); event !== undefined; event = end.session.pollEvent())
        end.events.push(event);
    }
  }
}

/** Starts both and moves datagrams until both are silent; timers do not run. */
export function handshake(server: End, client: End, link: Link = perfectLink): void {
  server.session.start(performance.now());
  client.session.start(performance.now());
  pump(server, client, link);
}

/** As {@link handshake}, then runs the ends' timers when they are due until `done`, or none is left. */
export async function handshakeWithTimers(
  server: End,
  client: End,
  link: Link,
  done: () => boolean,
): Promise<void> {
  handshake(server, client, link);
  while (!done()) {
    const deadlines = [server, client].map((end) => end.session.pollTimeout() ?? Number.POSITIVE_INFINITY);
    const next = Math.min(...deadlines);
    if (next === Number.POSITIVE_INFINITY) return;
    await delay(Math.max(0, next - performance.now()));
    for (const end of [server, client]) end.session.handleTimeout(performance.now());
    pump(server, client, link);
  }
}

/** The event that says an end is connected, if it is. */
export function connectedOf(end: End): Connected | undefined {
  return end.events.find((event): event is Connected => event.type === 'connected');
}

/** Why an end closed, if it did. */
export function closedReasonOf(end: End): string | undefined {
  return end.events.find((event) => event.type === 'closed')?.reason;
}

/** Application data an end received. */
export function dataOf(end: End): Uint8Array[] {
  return end.events.flatMap((event) => (event.type === 'data' ? [event.bytes] : []));
}

/** Where a record's parts lie in a datagram (RFC 6347 §4.1). */
export interface RecordPlace {
  readonly type: number;
  readonly epoch: number;
  readonly start: number;
  readonly bodyStart: number;
  readonly end: number;
}

/** The records of a datagram. */
export function recordsOf(datagram: Uint8Array): RecordPlace[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const records: RecordPlace[] = [];
  for (let start = 0; start + 13 <= datagram.length; ) {
    const bodyStart = start + 13;
    const end = bodyStart + view.getUint16(start + 11);
    records.push({ type: view.getUint8(start), epoch: view.getUint16(start + 3), start, bodyStart, end });
    start = end;
  }
  return records;
}

/**
 * Cuts the handshake messages of epoch 0 into fragments of `size` bytes (RFC 6347 §4.2.3), each a datagram, last first.
 * Other records pass, in datagrams of their own.
 */
export function fragmentingLink(size: number): Link {
  let sequence = 1000;
  return (datagram) => {
    const out: Uint8Array[] = [];
    for (const { type, epoch, start, bodyStart, end } of recordsOf(datagram)) {
      if (type !== 22 || epoch !== 0) {
        const record = datagram.slice(start, end);
        // Its number would be too old after those of the fragments.
        if (epoch === 0) new DataView(record.buffer).setUint32(7, sequence++);
        out.push(record);
        continue;
      }
      const fragments: Uint8Array[] = [];
      const body = datagram.subarray(bodyStart + 12, end);
      for (let at = 0; at < Math.max(1, body.length); at += size) {
        const part = body.subarray(at, at + size);
        const fragment = new Uint8Array(25 + part.length);
        const view = new DataView(fragment.buffer);
        fragment.set(datagram.subarray(start, bodyStart + 6));
        view.setUint32(7, sequence++);
        view.setUint16(11, 12 + part.length);
        view.setUint16(20, at);
        view.setUint16(23, part.length);
        fragment.set(part, 25);
        fragments.unshift(fragment);
      }
      out.push(...fragments);
    }
    return out;
  };
}
