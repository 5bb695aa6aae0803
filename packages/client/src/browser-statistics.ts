import type { MediaStatistics, VideoFigures } from './conference-platform.ts';

/** One entry of a browser's report, as far as it is read. All members may be missing. */
export interface StatisticsEntry {
  readonly id: string;
  readonly type: string;
  readonly [member: string]: unknown;
}

/** Totals of one moment, from which figures over time are made. */
interface Totals {
  readonly atMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly packetsSent: number;
  readonly packetsLostRemotely: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly videoBytes: ReadonlyMap<string, number>;
}

/** Turns the reports of one connection into figures, each over the time since the one before. */
export class StatisticsReader {
  #before: Totals | undefined;

  /** Reads a report of that moment; `videoMids` are the media ids of the video slots, in their order. */
  read(nowMs: number, entries: readonly StatisticsEntry[], videoMids: readonly string[]): MediaStatistics {
    const inbound = entries.filter(({ type }) => type === 'inbound-rtp');
    const pair = selectedPair(entries);
    const totals = totalsOf(nowMs, entries, inbound, pair);
    const before = this.#before;
    this.#before = totals;
    const seconds = before === undefined ? 0 : (nowMs - before.atMs) / 1000;
    const rate = (now: number, then: number | undefined): number =>
      seconds > 0 && then !== undefined ? Math.max(0, Math.round(((now - then) * 8) / seconds)) : 0;
    const roundTrip = pair?.currentRoundTripTime;
    return {
      roundTripMs: typeof roundTrip === 'number' ? roundTrip * 1000 : undefined,
      lossSent: lossOf(
        totals.packetsLostRemotely - (before?.packetsLostRemotely ?? 0),
        totals.packetsSent - (before?.packetsSent ?? 0),
      ),
      lossReceived: lossOf(
        totals.packetsLost - (before?.packetsLost ?? 0),
        totals.packetsReceived -
          (before?.packetsReceived ?? 0) +
          totals.packetsLost -
          (before?.packetsLost ?? 0),
      ),
      sentBps: rate(totals.bytesSent, before?.bytesSent),
      receivedBps: rate(totals.bytesReceived, before?.bytesReceived),
      path: pathOf(entries, pair),
      video: videoMids.map((mid) => {
        const entry = inbound.find((candidate) => candidate.mid === mid && candidate.kind === 'video');
        return entry === undefined
          ? undefined
          : videoFigures(entry, rate(number(entry.bytesReceived), before?.videoBytes.get(mid)));
      }),
    };
  }
}

function totalsOf(
  atMs: number,
  entries: readonly StatisticsEntry[],
  inbound: readonly StatisticsEntry[],
  pair: StatisticsEntry | undefined,
): Totals {
  const sum = (of: readonly StatisticsEntry[], member: string): number =>
    of.reduce((total, entry) => total + number(entry[member]), 0);
  const outbound = entries.filter(({ type }) => type === 'outbound-rtp');
  // Firefox counts bytes with the candidate pair, Chromium with both, and after a change of pair rightly with the transport.
  const transport = [entries.find(({ type }) => type === 'transport'), pair].find(
    (entry) => typeof entry?.bytesSent === 'number',
  );
  return {
    atMs,
    bytesSent: transport === undefined ? sum(outbound, 'bytesSent') : number(transport.bytesSent),
    bytesReceived: transport === undefined ? sum(inbound, 'bytesReceived') : number(transport.bytesReceived),
    packetsSent: sum(outbound, 'packetsSent'),
    packetsLostRemotely: sum(
      entries.filter(({ type }) => type === 'remote-inbound-rtp'),
      'packetsLost',
    ),
    packetsReceived: sum(inbound, 'packetsReceived'),
    packetsLost: sum(inbound, 'packetsLost'),
    videoBytes: new Map(inbound.map((entry) => [String(entry.mid), number(entry.bytesReceived)])),
  };
}

function videoFigures(entry: StatisticsEntry, bitrateBps: number): VideoFigures | undefined {
  const [width, height] = [number(entry.frameWidth), number(entry.frameHeight)];
  if (width === 0 || height === 0) return undefined;
  return { width, height, framesPerSecond: number(entry.framesPerSecond), bitrateBps };
}

function selectedPair(entries: readonly StatisticsEntry[]): StatisticsEntry | undefined {
  const transport = entries.find(({ type }) => type === 'transport');
  const pairs = entries.filter(({ type }) => type === 'candidate-pair');
  return (
    pairs.find(({ id }) => id === transport?.selectedCandidatePairId) ??
    pairs.find(({ selected }) => selected === true) ??
    pairs.find(({ nominated, state }) => nominated === true && state === 'succeeded')
  );
}

function pathOf(entries: readonly StatisticsEntry[], pair: StatisticsEntry | undefined): string | undefined {
  const local = entries.find(({ id }) => id === pair?.localCandidateId);
  if (local === undefined) return undefined;
  if (local.candidateType === 'relay') return 'relay';
  return typeof local.protocol === 'string' ? local.protocol : undefined;
}

/** Undefined where nothing was on its way. Late packets can make a loss negative. */
function lossOf(lost: number, expected: number): number | undefined {
  return expected > 0 ? Math.min(1, Math.max(0, lost / expected)) : undefined;
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
