import { accessSync, existsSync, constants as rights, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Finding } from './doctor-finding.ts';

/** What the checks of a machine ask it; tests answer instead. */
export interface MachineFacts {
  /** Text of a file; undefined where it is not to be read. */
  readonly readText: (path: string) => string | undefined;
  /** Release of the kernel: `6.1.0-18-amd64`. */
  readonly kernelRelease: string;
  readonly platform: string;
  /** Whether the clock follows a time server; undefined where the system does not tell. */
  readonly clockSynchronised: () => Promise<boolean | undefined>;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** What the media sockets ask for: bursts of key frames of a large call fit. */
const WANTED_BUFFER_BYTES = 4_194_304;
/** First kernel that sends several datagrams in one go (UDP_SEGMENT). */
const SEGMENTATION_KERNEL: readonly [number, number] = [4, 18];
/** Moment of this release; a clock before it is wrong. */
const RELEASED_MS = Date.UTC(2026, 0, 1);

/** Checks kernel settings: socket buffers and segmentation offload. */
export function checkKernel(facts: MachineFacts): readonly Finding[] {
  if (facts.platform !== 'linux')
    return [{ id: 'kernel', severity: 'notice', text: 'Kernel settings are checked on Linux alone.' }];
  const findings: Finding[] = [];
  for (const [name, what] of [
    ['rmem_max', 'receive'],
    ['wmem_max', 'send'],
  ] as const) {
    const bytes = Number(facts.readText(`/proc/sys/net/core/${name}`) ?? Number.NaN);
    if (!(bytes < WANTED_BUFFER_BYTES)) continue;
    findings.push({
      id: `kernel-${name}`,
      severity: 'warning',
      text: `The kernel allows sockets to ${what} into ${bytes} bytes only, so bursts of a large call may be lost.`,
      remedy: `sysctl -w net.core.${name}=${WANTED_BUFFER_BYTES}, and the same line in a file of /etc/sysctl.d`,
    });
  }
  const [major = 0, minor = 0] = facts.kernelRelease.split('.').map(Number);
  const [wantedMajor, wantedMinor] = SEGMENTATION_KERNEL;
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor))
    findings.push({
      id: 'kernel-segmentation',
      severity: 'warning',
      text: `Kernel ${facts.kernelRelease} cannot send several packets in one go, which makes large calls dearer.`,
      remedy: `Use Linux ${wantedMajor}.${wantedMinor} or newer.`,
    });
  if (findings.length > 0) return findings;
  return [
    {
      id: 'kernel',
      severity: 'well',
      text: 'Kernel buffers and segmentation offload are as they should be.',
    },
  ];
}

/** Checks the clock: tokens and certificates depend on it. */
export async function checkClock(facts: MachineFacts): Promise<Finding> {
  const remedy = 'Switch on time synchronisation: `timedatectl set-ntp true`.';
  if (facts.nowMs() < RELEASED_MS)
    return {
      id: 'clock-wrong',
      severity: 'problem',
      text: 'The clock of this machine shows a moment before this program was made.',
      remedy,
    };
  const synchronised = await facts.clockSynchronised();
  if (synchronised === undefined)
    return {
      id: 'clock',
      severity: 'notice',
      text: 'The system does not tell whether its clock follows a time server.',
    };
  if (synchronised) return { id: 'clock', severity: 'well', text: 'The clock follows a time server.' };
  return {
    id: 'clock-unsynchronised',
    severity: 'warning',
    text: 'The clock of this machine follows no time server; certificates and tokens depend on it.',
    remedy,
  };
}

/** Checks that the state folder can be written and that nobody else can read it. */
export function checkStateFolder(folder: string): Finding {
  const path = resolve(folder);
  let place = path;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  try {
    if (!statSync(place).isDirectory()) throw new Error('no folder');
    accessSync(place, rights.W_OK);
  } catch {
    return {
      id: 'state-unwritable',
      severity: 'problem',
      text: `The state folder ${path} cannot be written.`,
      remedy: 'Name another with --state, or give this user the right to write there.',
    };
  }
  if (place === path && (statSync(path).mode & 0o077) !== 0)
    return {
      id: 'state-rights',
      severity: 'warning',
      text: `Other users of this machine may look into the state folder ${path}, which holds a private key.`,
      remedy: `chmod 700 ${path}`,
    };
  return { id: 'state', severity: 'well', text: `The state folder ${path} can be written.` };
}
