import { createHash } from 'node:crypto';

/**
 * Servers in the order in which they are to hold a conference, by rendezvous hashing: everybody who knows the same
 * servers comes to the same order, and a server that is missing changes nothing about the order of the others.
 *
 * @param conversation the conference
 * @param urls servers, in any order; the same one twice counts once
 */
export function rankServers(conversation: string, urls: readonly string[]): string[] {
  const key = conversation.toLowerCase();
  return [...new Set(urls)]
    .map((url) => ({ url, weight: createHash('sha256').update(`${key}\n${url}`).digest('hex') }))
    .sort((a, b) => (a.weight < b.weight ? 1 : a.weight > b.weight ? -1 : 0))
    .map(({ url }) => url);
}

/** How busy a server is. */
export interface ServerLoad {
  readonly url: string;
  /** Clients now, and at most. */
  readonly participants: number;
  readonly maxParticipants: number;
  /** Part of the processor time of all its threads that it used lately, 0 to 1. */
  readonly busyShare: number;
  /** It is about to end. */
  readonly draining: boolean;
}

/**
 * URLs of servers with the most room first, for a discovery document. Room is what is left of the scarcer of places and
 * processor time. Servers that are full or about to end are left out; of equals the one with the lesser URL comes first.
 */
export function orderByFreeCapacity(loads: readonly ServerLoad[]): string[] {
  return loads
    .map((load) => ({ url: load.url, room: roomOf(load) }))
    .filter(({ room }) => room > 0)
    .sort((a, b) => b.room - a.room || (a.url < b.url ? -1 : 1))
    .map(({ url }) => url);
}

function roomOf({ participants, maxParticipants, busyShare, draining }: ServerLoad): number {
  if (draining || maxParticipants <= 0) return 0;
  return Math.min(1 - participants / maxParticipants, 1 - busyShare);
}
