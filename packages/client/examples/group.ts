// A conference of a group chat, whose members exchange keys in its encrypted messages as Wire's clients do.
import { browserPlatform, type GroupConference, joinConference, type MessagePipe } from '@conclave/client';
import { ConfkeyProvider, type MemberId } from '@conclave/e2ee';

/** What the chat knows of its conference. */
export interface GroupCall {
  readonly conferenceId: string;
  readonly server: string;
  readonly self: MemberId;
  readonly selfHash: string;
  /** The devices of all members by their hashes. */
  readonly members: ReadonlyMap<string, MemberId>;
  readonly pipe: MessagePipe;
}

/** Joins; `members` may change afterwards, see below. */
export function call(group: GroupCall, name: string): Promise<GroupConference> {
  const platform = browserPlatform();
  const keys = new ConfkeyProvider(platform.crypto, {
    userHash: group.selfHash,
    member: group.self,
    conversationHash: group.conferenceId,
    random: (size) => platform.random(size),
  });
  return joinConference({
    conferenceId: group.conferenceId,
    selfId: group.selfHash,
    servers: [group.server],
    keys,
    memberOf: (hash) => group.members.get(hash),
    pipe: group.pipe,
    profile: { name, handRaised: false },
    platform,
  });
}

/** Somebody was put out of the chat: no frame of theirs is opened any more, and there is a new key. */
export function membersChanged(conference: GroupConference): void {
  conference.refresh();
}
