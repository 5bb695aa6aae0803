import type { ConferenceState, Participant } from '@conclave/client';
import { describe, expect, it } from 'vitest';
import { happeningsBetween } from './happenings.ts';

function participant(id: string, more: Partial<Participant> = {}): Participant {
  return {
    id,
    profile: { name: id, handRaised: false },
    muted: false,
    video: 'off',
    speaking: false,
    encryption: 'waiting',
    quality: undefined,
    order: 0,
    videoStream: undefined,
    ...more,
  };
}

function state(participants: readonly Participant[], more: Partial<ConferenceState> = {}): ConferenceState {
  return {
    status: 'joined',
    endedBecause: undefined,
    selfId: 'self',
    muted: false,
    sending: 'off',
    profile: { name: 'me', handRaised: false },
    quality: 'good',
    sealing: 'sealed',
    participants,
    speakers: [],
    videoSlots: 12,
    audioStreams: [],
    ...more,
  };
}

const between = (before: ConferenceState, after: ConferenceState) =>
  happeningsBetween(before, after, ({ profile }) => profile?.name ?? 'Guest');

describe('what happened in a call', () => {
  it('is nothing when nothing changed', () => {
    expect(between(state([participant('Ada')]), state([participant('Ada')]))).toEqual([]);
  });

  it('names who came once the name is known, and who went', () => {
    const nameless = participant('Ada', { profile: undefined });
    expect(between(state([]), state([nameless]))).toEqual([]);
    expect(between(state([nameless]), state([participant('Ada')]))).toEqual([
      { type: 'joined', name: 'Ada' },
    ]);
    expect(between(state([participant('Ada')]), state([]))).toEqual([{ type: 'left', name: 'Ada' }]);
    expect(between(state([nameless]), state([]))).toEqual([]);
  });

  it('counts a crowd', () => {
    const crowd = ['a', 'b', 'c', 'd'].map((id) => participant(id));
    expect(between(state([]), state(crowd))).toEqual([{ type: 'joined-many', count: 4 }]);
    expect(between(state(crowd), state([]))).toEqual([{ type: 'left-many', count: 4 }]);
  });

  it('tells of hands, screens and pictures that cannot be opened, once each', () => {
    const ada = participant('Ada');
    const raised = participant('Ada', { profile: { name: 'Ada', handRaised: true } });
    const sharing = participant('Ada', { video: 'screen' });
    const failing = participant('Ada', { encryption: 'failing' });
    expect(between(state([ada]), state([raised]))).toEqual([{ type: 'hand-raised', name: 'Ada' }]);
    expect(between(state([raised]), state([raised]))).toEqual([]);
    expect(between(state([ada]), state([sharing]))).toEqual([{ type: 'sharing', name: 'Ada' }]);
    expect(between(state([ada]), state([failing]))).toEqual([{ type: 'not-decrypted', name: 'Ada' }]);
  });

  it('tells of a lost connection and of its return', () => {
    expect(between(state([]), state([], { status: 'reconnecting' }))).toEqual([{ type: 'reconnecting' }]);
    expect(between(state([], { status: 'reconnecting' }), state([]))).toEqual([{ type: 'reconnected' }]);
    expect(between(state([], { status: 'joining' }), state([]))).toEqual([]);
  });
});
