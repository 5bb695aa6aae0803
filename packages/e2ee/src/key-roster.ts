import { FormatError, fromBase64 } from '@conclave/bytes';
import type { ParticipantsMessage } from '@conclave/econn';
import type { RosterSaltInput } from './key-derivation.ts';
import type { MemberId } from './key-provider.ts';

/** A participant as the distribution of keys sees it. */
export interface KeyParticipant {
  /** Hash of the user, as in the participant list. */
  readonly userHash: string;
  /** 32 bits. */
  readonly audioSsrc: number;
  /** 32 bits. */
  readonly videoSsrc: number;
  /** The device behind the hash. Absent if it is not one of the conversation: then it gets no keys and its do not count. */
  readonly member?: MemberId | undefined;
}

/** The server's participant list, in its order and with the own entry, joined with the conversation's members. */
export interface KeyRoster extends RosterSaltInput {
  /** At most 2000. */
  readonly participants: readonly KeyParticipant[];
}

/**
 * The roster of a participant list from the server. `memberOf` gives the device behind a hash, the own one too, or undefined
 * for a stranger. Entropy that cannot be read counts as none: it only adds to the own randomness.
 */
export function keyRosterOf(
  message: ParticipantsMessage,
  memberOf: (userHash: string) => MemberId | undefined,
): KeyRoster {
  return {
    timestampMs: message.timestampMs,
    sequenceNumber: message.sequenceNumber,
    entropy: entropyOf(message.entropy ?? ''),
    participants: message.participants.map(({ userId, audioSsrc, videoSsrc }) => ({
      userHash: userId,
      audioSsrc,
      videoSsrc,
      member: memberOf(userId),
    })),
  };
}

/** The participant that makes the keys: the first one that is a member. Everybody agrees on it who has the same list. */
export function keyGenerator(roster: KeyRoster): KeyParticipant | undefined {
  return roster.participants.find(({ member }) => member !== undefined);
}

/** The hashes of all members in the list. */
export function acceptedHashes(roster: KeyRoster | undefined): Set<string> {
  const hashes = new Set<string>();
  for (const { userHash, member } of roster?.participants ?? [])
    if (member !== undefined) hashes.add(userHash);
  return hashes;
}

/** Whether both are the same device. */
export function sameMember(a: MemberId | undefined, b: MemberId): boolean {
  return a !== undefined && a.userId === b.userId && a.clientId === b.clientId;
}

function entropyOf(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return new Uint8Array(0);
  }
}
