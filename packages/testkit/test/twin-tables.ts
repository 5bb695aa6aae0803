import { FormatError, type NowMs } from '@conclave/bytes';
import type { FlowTableHarness, HarnessOutput, Path, PeerId, SrtpKeys } from '@conclave/forwarder';
import { isRtcp, parseRtcp, type RtcpPacket } from '@conclave/rtp';
import { expect } from 'vitest';
import { SrtpOracleReceiver } from '../src/srtp-oracle.ts';

/** A datagram of media that both tables sent. */
export interface SentMedia {
  readonly ssrc: number;
  readonly sequence: number;
  readonly port: number;
}

/** Two flow tables that are told and given the same, and must do the same. */
export class TwinTables {
  readonly #model: FlowTableHarness;
  readonly #addon: FlowTableHarness;
  /** By the port that a peer's packets go to. */
  readonly #openers = new Map<number, { model: SrtpOracleReceiver; addon: SrtpOracleReceiver }>();
  /** What the addon says in RTCP beyond the model; the model makes no reports. */
  readonly rtcp: RtcpPacket[] = [];

  /** How often each event and each reason of a drop was met, so that a test can ask whether it met them. */
  readonly met: Record<string, number> = {};

  constructor(model: FlowTableHarness, addon: FlowTableHarness) {
    this.#model = model;
    this.#addon = addon;
  }

  /** Makes a rule call on both. */
  tell(rule: (table: FlowTableHarness) => void): void {
    rule(this.#model);
    rule(this.#addon);
  }

  setKeys(peer: PeerId, keys: SrtpKeys, port: number): void {
    const opener = () => new SrtpOracleReceiver(keys.profile, keys.sendKey, keys.sendSalt, 1000);
    this.#openers.set(port, { model: opener(), addon: opener() });
    this.tell((table) => table.setSrtpKeys(peer, keys));
  }

  /** Gives both a datagram, and compares what they send and tell. */
  receive(now: NowMs, path: Path, bytes: Uint8Array): SentMedia[] {
    return this.#compare(
      this.#model.receive(now, path, Uint8Array.from(bytes)),
      this.#addon.receive(now, path, Uint8Array.from(bytes)),
    );
  }

  /** Lets the time pass on both, and compares what they send and tell. */
  tick(now: NowMs): SentMedia[] {
    return this.#compare(this.#model.tick(now), this.#addon.tick(now));
  }

  compareAudioLevels(): void {
    const levels = (table: FlowTableHarness) => table.readAudioLevels().sort((a, b) => a.ingress - b.ingress);
    expect(levels(this.#addon)).toEqual(levels(this.#model));
  }

  /** Compares totals, as far as they do not depend on reports and NACKs of the addon's own. */
  compareTotals(): void {
    const ingress = (table: FlowTableHarness) =>
      table
        .readIngressStats()
        .map(({ nacksSent: _n, recoveredPackets: _r, ...rest }) => rest)
        .sort((a, b) => a.ingress - b.ingress);
    const egress = (table: FlowTableHarness) => table.readEgressStats().sort((a, b) => a.egress - b.egress);
    expect(ingress(this.#addon)).toEqual(ingress(this.#model));
    expect(egress(this.#addon)).toEqual(egress(this.#model));
    const drops = (table: FlowTableHarness) =>
      Object.entries(table.readCounters())
        .filter(([name, count]) => /^(dropped_|received_)/.test(name) && count > 0)
        .sort(([a], [b]) => (a < b ? -1 : 1));
    expect(drops(this.#addon)).toEqual(drops(this.#model));
    for (const [name, count] of drops(this.#addon)) this.#tally(name, count);
    for (const stats of this.#addon.readIngressStats()) this.#tally('key frames', stats.keyFrames);
    for (const stats of this.#addon.readIngressStats())
      this.#tally('recovered packets', stats.recoveredPackets);
    for (const stats of this.#addon.readEgressStats())
      this.#tally('retransmissions', stats.retransmittedPackets);
  }

  #tally(name: string, by = 1): void {
    this.met[name] = (this.met[name] ?? 0) + by;
  }

  #compare(model: HarnessOutput, addon: HarnessOutput): SentMedia[] {
    const [modelText, addonText] = [textOf(model), textOf(addon)];
    // The comparison of strings is fast; the other shows what differs.
    if (modelText.join() !== addonText.join()) expect(addonText).toEqual(modelText);
    const asked = this.#openRtcp(model, 'model').filter(isKeyFrameRequest);
    const said = this.#openRtcp(addon, 'addon');
    expect(said.filter(isKeyFrameRequest)).toEqual(asked);
    this.rtcp.push(...said);
    for (const event of model.events) this.#tally(event.type);
    return model.sent
      .filter(({ bytes }) => !isRtcp(bytes))
      .map(({ path, bytes }) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        return { ssrc: view.getUint32(8), sequence: view.getUint16(2), port: path.port };
      });
  }

  #openRtcp(output: HarnessOutput, side: 'model' | 'addon'): RtcpPacket[] {
    return output.sent
      .filter(({ bytes }) => isRtcp(bytes))
      .flatMap(({ path, bytes }) => {
        const opener = this.#openers.get(path.port);
        if (opener === undefined) throw new FormatError('no-keys', 'RTCP to a peer without keys');
        return parseRtcp(opener[side].unprotectRtcp(bytes));
      });
  }
}

function isKeyFrameRequest(packet: RtcpPacket): boolean {
  return packet.type === 'picture-loss' || packet.type === 'full-intra-request';
}

/** One line for each event and each media packet, in order. */
function textOf({ sent, events }: HarnessOutput): string[] {
  const lines = events.map((event) =>
    JSON.stringify(
      'bytes' in event ? { ...event, bytes: Buffer.from(event.bytes).toString('hex') } : event,
      sortedKeys,
    ),
  );
  for (const { path, bytes } of sent) {
    if (!isRtcp(bytes)) lines.push(`${path.address} ${path.port} ${Buffer.from(bytes).toString('hex')}`);
  }
  return lines;
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
