import { formatMeetingFragment, type MeetingLink, parseMeetingLink } from '@conclave/e2ee';
import { expect } from 'vitest';
import { type JoinMeetingOptions, joinMeeting, type Meeting, type Participant } from '../src/index.ts';
import type { VirtualConference, VirtualPlatform } from './virtual-conference.ts';

export const SERVER = 'https://sft.example';

/** A link whose secret is made of that number. */
export function linkOf(number: number): MeetingLink {
  const secret = new Uint8Array(32).fill(number);
  return parseMeetingLink(formatMeetingFragment({ secret, server: SERVER, passphrase: false }));
}

/** Somebody in a meeting. */
export interface Member {
  readonly platform: VirtualPlatform;
  readonly meeting: Meeting;
}

/** Lets somebody join, and the news of it reach everybody. */
export async function joinAs(
  rig: VirtualConference,
  name: string,
  options: Partial<JoinMeetingOptions> = {},
): Promise<Member> {
  const platform = rig.platform(name);
  const meeting = await rig.outcome(
    joinMeeting({ link: linkOf(1), profile: { name, handRaised: false }, platform, ...options }),
  );
  await rig.advance(200);
  return { platform, meeting };
}

/** What one knows of another, by name. */
export function seenBy(member: Member, name: string): Participant {
  const found = member.meeting.state.participants.find(({ profile }) => profile?.name === name);
  expect(found, `${name} is not known`).toBeDefined();
  return found!;
}

/** Names of the others, in order. */
export function namesSeenBy(member: Member): (string | undefined)[] {
  return member.meeting.state.participants.map(({ profile }) => profile?.name);
}
