import type { Participant } from '@conclave/client';
import { describe, expect, it } from 'vitest';
import { nextSharing, type StageWishes, stageSubject } from './stage-subject.ts';

const person = (id: string, video: Participant['video'] = 'camera'): Participant => ({
  id,
  profile: undefined,
  muted: false,
  video,
  speaking: false,
  encryption: 'waiting',
  quality: undefined,
  order: 0,
  videoStream: undefined,
});
const others = [person('a'), person('b'), person('c', 'screen')];
const wishes: StageWishes = {
  view: 'grid',
  pinned: undefined,
  sharing: [],
  screensInGrid: false,
  lastSpeaker: undefined,
};

describe('who is shown large', () => {
  it('is nobody in the grid', () => {
    expect(stageSubject(others, wishes)).toBeUndefined();
    expect(stageSubject(others, { ...wishes, lastSpeaker: 'a' })).toBeUndefined();
  });

  it('is whoever spoke last in the speaker view, and the first before anybody spoke', () => {
    expect(stageSubject(others, { ...wishes, view: 'speaker', lastSpeaker: 'b' })).toBe('b');
    expect(stageSubject(others, { ...wishes, view: 'speaker', lastSpeaker: 'gone' })).toBe('a');
    expect(stageSubject([], { ...wishes, view: 'speaker' })).toBeUndefined();
  });

  it('is a shared screen in both views, unless the person went back to the grid', () => {
    expect(stageSubject(others, { ...wishes, sharing: ['c'] })).toBe('c');
    expect(stageSubject(others, { ...wishes, view: 'speaker', lastSpeaker: 'a', sharing: ['c'] })).toBe('c');
    expect(stageSubject(others, { ...wishes, sharing: ['c'], screensInGrid: true })).toBeUndefined();
  });

  it('is the pinned one before all others, as long as it is there', () => {
    expect(stageSubject(others, { ...wishes, pinned: 'b', sharing: ['c'] })).toBe('b');
    expect(stageSubject(others, { ...wishes, pinned: 'gone', sharing: ['c'] })).toBe('c');
  });
});

describe('the shared screens', () => {
  it('stand in the order in which they began', () => {
    const both = [person('a', 'screen'), person('b'), person('c', 'screen')];
    expect(nextSharing(['c'], both)).toEqual(['c', 'a']);
    expect(nextSharing(['c', 'a'], [person('a', 'screen'), person('c')])).toEqual(['a']);
  });
});
