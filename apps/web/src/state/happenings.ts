import type { ConferenceState, Participant } from '@conclave/client';

/** Something that people in a call want to be told. */
export type Happening =
  | { readonly type: 'joined' | 'left' | 'hand-raised' | 'sharing' | 'not-decrypted'; readonly name: string }
  | { readonly type: 'joined-many' | 'left-many'; readonly count: number }
  | { readonly type: 'reconnecting' | 'reconnected' };

/** More comings or goings than this at once are told as a number. */
const MANY = 3;

/**
 * What happened between two states of a call, most important last. Names come a moment after people do, so somebody
 * joins when the name is known; `nameOf` gives one for those who never send any.
 */
export function happeningsBetween(
  before: ConferenceState,
  after: ConferenceState,
  nameOf: (participant: Participant) => string,
): Happening[] {
  const old = new Map(before.participants.map((participant) => [participant.id, participant]));
  const now = new Map(after.participants.map((participant) => [participant.id, participant]));
  const left = before.participants.filter((participant) => isKnown(participant) && !now.has(participant.id));
  const joined = after.participants.filter(
    (participant) => isKnown(participant) && !isKnown(old.get(participant.id)),
  );
  const happenings: Happening[] = [...crowd('left', left, nameOf), ...crowd('joined', joined, nameOf)];
  for (const participant of after.participants) {
    const was = old.get(participant.id);
    const name = nameOf(participant);
    if (participant.video === 'screen' && was?.video !== 'screen') happenings.push({ type: 'sharing', name });
    if (participant.profile?.handRaised && !was?.profile?.handRaised) {
      happenings.push({ type: 'hand-raised', name });
    }
    if (participant.encryption === 'failing' && was?.encryption !== 'failing') {
      happenings.push({ type: 'not-decrypted', name });
    }
  }
  if (before.status !== after.status) {
    if (after.status === 'reconnecting') happenings.push({ type: 'reconnecting' });
    if (before.status === 'reconnecting' && after.status === 'joined')
      happenings.push({ type: 'reconnected' });
  }
  return happenings;
}

function isKnown(participant: Participant | undefined): boolean {
  return participant?.profile !== undefined;
}

function crowd(
  type: 'joined' | 'left',
  people: readonly Participant[],
  nameOf: (participant: Participant) => string,
): Happening[] {
  if (people.length > MANY) return [{ type: `${type}-many`, count: people.length }];
  return people.map((participant) => ({ type, name: nameOf(participant) }));
}
