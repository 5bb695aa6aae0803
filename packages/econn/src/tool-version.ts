import { FormatError } from '@conclave/bytes';

/** Version of a client's library. `build` is -1 when the client named none. */
export interface ToolVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/** One entry of a blacklist: exactly this version, or all below it. */
export interface BlacklistEntry {
  readonly relation: 'exactly' | 'below';
  readonly version: ToolVersion;
}

/** What `local`, the version of a developer's own build, counts as: newer than all. */
const LOCAL_BUILD = 999;
/** First major version that sends simulcast in the form that is offered. */
const FIRST_SIMULCAST_MAJOR = 10;

/**
 * Version from a request's `toolver`: `major.minor.build`, each a number or `local`. Text that is none gives 0.0,
 * which counts as unknown; nothing throws, because the client's word is a hint and no right hangs on it.
 */
export function parseToolVersion(text: string): ToolVersion {
  const [major, minor, build] = text.trim().toLowerCase().split('.', 3).map(componentOf);
  return { major: major ?? 0, minor: minor ?? 0, build: build ?? -1 };
}

/**
 * Versions that are refused, from a comma-separated list of `x.y.z` (exactly that one) and `<x.y.z` (all below).
 * Empty entries are skipped. Throws `FormatError` `bad-blacklist`: a list with a typing error would let in what the
 * operator meant to keep out.
 */
export function parseBlacklist(text: string): readonly BlacklistEntry[] {
  const entries = text.split(',').map((entry) => entry.trim());
  return entries.filter((entry) => entry !== '').map(parseBlacklistEntry);
}

/** Whether the version is on the list. Versions 0.0.x, which are unknown or of test clients, never are. */
export function isBlacklisted(list: readonly BlacklistEntry[], version: ToolVersion): boolean {
  if (version.major === 0 && version.minor === 0) return false;
  return list.some((entry) => {
    const order = compareVersions(version, entry.version);
    return entry.relation === 'below' ? order < 0 : order === 0;
  });
}

/** Whether an offer to this client should ask for simulcast: from version 10 on, and for unknown and own builds. */
export function offersSimulcast(version: ToolVersion): boolean {
  return version.major === 0 || version.major >= FIRST_SIMULCAST_MAJOR;
}

function parseBlacklistEntry(entry: string): BlacklistEntry {
  const match = /^(<?)\s*([0-9]{1,9}\.[0-9]{1,9}(?:\.(?:[0-9]{1,9}|local))?)$/i.exec(entry);
  if (match === null) throw new FormatError('bad-blacklist', 'an entry is neither x.y.z nor <x.y.z');
  return { relation: match[1] === '<' ? 'below' : 'exactly', version: parseToolVersion(match[2]!) };
}

function componentOf(text: string): number | undefined {
  if (text === 'local') return LOCAL_BUILD;
  const digits = /^[0-9]{1,9}/.exec(text);
  return digits === null ? undefined : Number(digits[0]);
}

function compareVersions(a: ToolVersion, b: ToolVersion): number {
  return a.major - b.major || a.minor - b.minor || a.build - b.build;
}
