import type { ConferenceState, Meeting, Participant, VideoWish } from '@conclave/client';
import { signal } from '@preact/signals';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { texts } from '../texts.ts';
import { Call } from './call.ts';
import type { LocalDevice, LocalMedia } from './local-media.ts';
import { Notices } from './notices.ts';

const person = (id: string, more: Partial<Participant> = {}): Participant => ({
  id,
  profile: { name: id, handRaised: false },
  muted: false,
  video: 'camera',
  speaking: false,
  encryption: 'encrypted',
  quality: 'good',
  order: 0,
  videoStream: undefined,
  ...more,
});

/** A meeting that only remembers what was asked of it. */
class ScriptedMeeting {
  readonly safetyCode = '00000';
  readonly asked: string[] = [];
  readonly watched: (readonly VideoWish[])[] = [];
  state: ConferenceState = {
    status: 'joined',
    endedBecause: undefined,
    selfId: 'me',
    muted: false,
    sending: 'off',
    profile: { name: 'me', handRaised: false },
    quality: 'good',
    sealing: 'sealed',
    participants: [],
    speakers: [],
    videoSlots: 12,
    audioStreams: [],
  };
  #listener: (state: ConferenceState) => void = () => undefined;

  subscribe(listener: (state: ConferenceState) => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = () => undefined;
    };
  }
  change(change: Partial<ConferenceState>): void {
    this.state = { ...this.state, ...change };
    this.#listener(this.state);
  }
  setMuted(muted: boolean): void {
    this.asked.push(muted ? 'mute' : 'unmute');
    this.change({ muted });
  }
  async setMicrophone(track: unknown): Promise<void> {
    this.asked.push(`microphone ${track ? 'on' : 'off'}`);
  }
  async setCamera(track: unknown): Promise<void> {
    this.asked.push(`camera ${track ? 'on' : 'off'}`);
  }
  async setProfile(profile: ConferenceState['profile']): Promise<void> {
    this.change({ profile });
  }
  watch(wishes: readonly VideoWish[]): void {
    this.watched.push(wishes);
  }
  async leave(): Promise<void> {
    this.change({ status: 'ended', endedBecause: 'left' });
  }
}

const device = (track: unknown): LocalDevice => ({
  track: signal(track as MediaStreamTrack),
  fault: signal(undefined),
  wished: signal(undefined),
});

function start() {
  const meeting = new ScriptedMeeting();
  const track = { kind: 'audio' };
  const media = { microphone: device(track), camera: device(undefined) };
  const notices = new Notices();
  const ended: ConferenceState[] = [];
  const call = new Call(
    {
      meeting: meeting as unknown as Meeting,
      media: media as unknown as LocalMedia,
      notices,
      ended: (state) => ended.push(state),
      changed: () => undefined,
    },
    { microphone: track },
  );
  const said = () => notices.shown.value.map(({ text }) => text);
  return { meeting, media, notices, ended, call, said };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a call', () => {
  it('announces who comes later, and not those who were there', () => {
    const { meeting, said } = start();
    meeting.change({ participants: [person('Ada', { profile: undefined })] });
    vi.advanceTimersByTime(4000);
    meeting.change({ participants: [person('Ada')] });
    expect(said()).toEqual([]);
    meeting.change({ participants: [person('Ada'), person('Bob')] });
    expect(said()).toEqual(['Bob joined']);
    meeting.change({ participants: [person('Bob')] });
    expect(said()).toEqual(['Bob joined', 'Ada left']);
  });

  it('shows a screen large while it is shared, and all alike when the person wants it', () => {
    const { meeting, call } = start();
    meeting.change({ participants: [person('Ada'), person('Bob')] });
    expect(call.stage.value).toBeUndefined();
    meeting.change({ participants: [person('Ada', { video: 'screen' }), person('Bob')] });
    expect(call.stage.value).toBe('Ada');
    call.toggleView();
    expect(call.stage.value).toBeUndefined();
    meeting.change({
      participants: [person('Ada', { video: 'screen' }), person('Bob', { video: 'screen' })],
    });
    expect(call.stage.value).toBe('Bob');
    call.togglePin('Ada');
    expect(call.stage.value).toBe('Ada');
  });

  it('follows who speaks in the speaker view', () => {
    const { meeting, call } = start();
    meeting.change({ participants: [person('Ada'), person('Bob')], speakers: ['Bob'] });
    call.toggleView();
    expect(call.stage.value).toBe('Bob');
    meeting.change({ speakers: ['me', 'Ada'] });
    expect(call.stage.value).toBe('Ada');
    meeting.change({ speakers: [] });
    expect(call.stage.value).toBe('Ada');
  });

  it('passes on a change of camera, and nothing when there is none', async () => {
    const { meeting, media } = start();
    await vi.advanceTimersByTimeAsync(0);
    expect(meeting.asked).toEqual([]);
    media.camera.track.value = { kind: 'video' } as MediaStreamTrack;
    media.camera.track.value = undefined;
    await vi.advanceTimersByTimeAsync(0);
    expect(meeting.asked).toEqual(['camera on', 'camera off']);
  });

  it('mutes and says so when the microphone is unplugged', () => {
    const { meeting, media, call, said } = start();
    media.microphone.fault.value = 'lost';
    expect(meeting.asked).toContain('mute');
    expect(call.state.value.muted).toBe(true);
    expect(said()).toEqual([texts.media.microphoneFaults.lost]);
  });

  it('asks for the same pictures once', () => {
    const { meeting, call } = start();
    call.watch([{ id: 'Ada', heightPx: 300 }]);
    call.watch([{ id: 'Ada', heightPx: 300 }]);
    call.watch([{ id: 'Ada', heightPx: 301 }]);
    expect(meeting.watched).toHaveLength(2);
  });

  it('stays within the pages there are', () => {
    const { call } = start();
    call.pages.value = 2;
    call.turnPage(-1);
    expect(call.page.value).toBe(0);
    call.turnPage(1);
    call.turnPage(1);
    expect(call.page.value).toBe(1);
  });

  it('tells once that it is over, and asks nothing of the meeting afterwards', async () => {
    const { meeting, media, ended, call } = start();
    await call.leave();
    expect(ended.map(({ endedBecause }) => endedBecause)).toEqual(['left']);
    media.camera.track.value = { kind: 'video' } as MediaStreamTrack;
    call.watch([{ id: 'Ada', heightPx: 300 }]);
    await vi.advanceTimersByTimeAsync(0);
    expect(meeting.asked).toEqual([]);
    expect(meeting.watched).toEqual([]);
  });
});

describe('notices', () => {
  it('go away by themselves, are said once, and are never many', () => {
    const notices = new Notices();
    for (const text of ['a', 'b', 'b', 'c', 'd']) notices.say(text);
    expect(notices.shown.value.map(({ text }) => text)).toEqual(['b', 'c', 'd']);
    vi.advanceTimersByTime(60_000);
    expect(notices.shown.value).toEqual([]);
    notices.say('e');
    notices.clear();
    expect(notices.shown.value).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
