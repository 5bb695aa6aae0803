import {
  createMeetingIdentity,
  deriveMeetingKeys,
  LinkSecretProvider,
  type MeetingKeys,
  type MeetingLink,
} from '@conclave/e2ee';
import { browserPlatform } from './browser-platform.ts';
import { ClientError } from './client-error.ts';
import type { Conference, Profile } from './conference.ts';
import type { ConferencePlatform } from './conference-platform.ts';
import { joinConference } from './join-conference.ts';

/** What of joining is the same for meetings and conferences. */
export interface JoinOptions {
  readonly profile: Profile;
  /** Default false. */
  readonly muted?: boolean | undefined;
  readonly microphone?: MediaStreamTrack | undefined;
  readonly camera?: MediaStreamTrack | undefined;
  /** Token that the server's operator may demand. */
  readonly accessToken?: AccessToken | undefined;
  /** Default: the browser's page, `browserPlatform()`. */
  readonly platform?: ConferencePlatform | undefined;
  /**
   * Servers of the same installation, eight at most, to go to when the one in use does not serve any more. All people of a
   * conference should name the same ones; they meet again whichever they ask.
   */
  readonly standbyServers?: readonly string[] | undefined;
  /** Gives up joining; without effect once joined. */
  readonly signal?: AbortSignal | undefined;
}

/** What a server demands of callers where its operator set it so. */
export interface AccessToken {
  readonly username: string;
  readonly credential: string;
}

/** How a meeting is joined. */
export interface JoinMeetingOptions extends JoinOptions {
  readonly link: MeetingLink;
  /** Needed when the link says so; not to be given otherwise. */
  readonly passphrase?: string | undefined;
  /**
   * Servers to try at once, three at most. Default: the one in the link, else the one of the page. All people of a meeting
   * have to use the same one, or ones that are federated.
   */
  readonly servers?: readonly string[] | undefined;
}

/** A conference by a link. */
export interface Meeting extends Conference {
  /** Six groups of five digits, the same on all screens of the meeting. */
  readonly safetyCode: string;
}

/**
 * Joins a meeting by its link, under an identity that was never used before. Resolves when the signalling channel is open. Rejects with
 * {@link ClientError}. A wrong secret or passphrase is not an error: it is another, empty meeting.
 */
export async function joinMeeting(options: JoinMeetingOptions): Promise<Meeting> {
  const { link, passphrase } = options;
  if (link.passphrase !== (passphrase !== undefined)) {
    throw link.passphrase
      ? new ClientError('passphrase-needed')
      : new ClientError('bad-option', { detail: 'the link takes no passphrase' });
  }
  const platform = options.platform ?? browserPlatform();
  const server = link.server ?? platform.defaultServer;
  const servers = options.servers ?? (server === undefined ? [] : [server]);
  const keys = await deriveKeys(platform, link, passphrase);
  const identity = await createMeetingIdentity(platform.crypto, keys, (length) => platform.random(length));
  const { profile, muted, microphone, camera, accessToken, signal } = options;
  const conference = await joinConference({
    ...{ profile, muted, microphone, camera, accessToken, signal, platform, servers },
    standbyServers: options.standbyServers,
    conferenceId: keys.conferenceId,
    selfId: identity.userHash,
    keys: new LinkSecretProvider(keys),
    profileKey: keys.boxKey,
  });
  return Object.assign(conference, { safetyCode: keys.safetyCode });
}

async function deriveKeys(
  platform: ConferencePlatform,
  link: MeetingLink,
  passphrase: string | undefined,
): Promise<MeetingKeys> {
  try {
    return await deriveMeetingKeys(platform.crypto, link.secret, passphrase);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ClientError(passphrase === undefined ? 'bad-option' : 'passphrase-needed', { cause });
  }
}
