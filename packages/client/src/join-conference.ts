import type { KeyMessage, KeyProvider, MemberId } from '@conclave/e2ee';
import { parseConversationHash, parseUserHash } from '@conclave/econn';
import { browserPlatform } from './browser-platform.ts';
import { ClientError } from './client-error.ts';
import type { Conference, ParticipantId } from './conference.ts';
import type { Cancel } from './conference-platform.ts';
import { ConferenceSession } from './conference-session.ts';
import type { JoinOptions } from './join-meeting.ts';
import { isServerUrl, MAX_SERVERS, MAX_STANDBY_SERVERS } from './offer-request.ts';

/** How a conference of any kind is joined. */
export interface JoinConferenceOptions extends JoinOptions {
  /** The conversation's hash, 1 to 127 path-safe characters. */
  readonly conferenceId: string;
  /** The own hash at the server. With a key that served before it has to be one that never was. */
  readonly selfId: ParticipantId;
  /** URLs of servers to try at once, one to three. */
  readonly servers: readonly string[];
  /** Where keys come from. The conference drives it; see {@link GroupConference.refresh} for what comes from outside. */
  readonly keys: KeyProvider;
  /**
   * The device behind a hash, the own one too; undefined for strangers, who are neither heard nor seen nor hear or see. Default:
   * everybody is a member, by the hash as user id and `_` as client id.
   */
  readonly memberOf?: ((userHash: string) => MemberId | undefined) | undefined;
  /** End-to-end encrypted messages between members, for providers that need them. */
  readonly pipe?: MessagePipe | undefined;
  /** Key of the boxes that names travel in, 32 bytes, the same for all. Absent: names are neither told nor known. */
  readonly profileKey?: Uint8Array | undefined;
  /** Called when this client is the first of a conference and has to announce it to the other members. */
  readonly announce?: ((announcement: ConferenceAnnouncement) => void) | undefined;
}

/** What others have to know of a conference that has begun. */
export interface ConferenceAnnouncement {
  /** URL of the server in use. */
  readonly server: string;
  /** URLs of all servers of the conference. */
  readonly servers: readonly string[];
  /** The server's time of the first participant list, milliseconds since 1970. */
  readonly timestampMs: number;
  /** The number of that list. */
  readonly sequenceNumber: number;
}

/** How members' devices reach each other past the conference's server. */
export interface MessagePipe {
  /** Sends to these devices only, end-to-end encrypted. A rejection counts as a lost message. */
  send(message: KeyMessage): Promise<void>;
  /** Calls with every key message for this device and the sender that the pipe vouches for; returns what stops it. */
  receive(listener: (sender: MemberId, text: string) => void): Cancel;
}

/** A conference whose members and keys an application knows. */
export interface GroupConference extends Conference {
  /** To be called when `memberOf` would answer differently, or when the provider was given something from outside. */
  refresh(): void;
}

/** Joins a conference. Resolves when the signalling channel is open. Rejects with {@link ClientError}. */
export async function joinConference(options: JoinConferenceOptions): Promise<GroupConference> {
  const { servers, conferenceId, selfId } = options;
  if (servers.length === 0) throw new ClientError('no-server');
  if (servers.length > MAX_SERVERS) throw new ClientError('bad-option', { detail: 'too many servers' });
  const { standbyServers = [] } = options;
  if (standbyServers.length > MAX_STANDBY_SERVERS)
    throw new ClientError('bad-option', { detail: 'too many standby servers' });
  if (![...servers, ...standbyServers].every(isServerUrl))
    throw new ClientError('bad-option', { detail: 'not a server URL' });
  checkId(() => parseConversationHash(conferenceId));
  checkId(() => parseUserHash(selfId));
  const platform = options.platform ?? browserPlatform();
  const memberOf = options.memberOf ?? ((userId: string) => ({ userId, clientId: '_' }));
  const session = new ConferenceSession({ ...options, platform, memberOf });
  await session.join(options.signal);
  return session;
}

function checkId(parse: () => unknown): void {
  try {
    parse();
  } catch (cause) {
    throw new ClientError('bad-option', { detail: 'not a usable id', cause });
  }
}
