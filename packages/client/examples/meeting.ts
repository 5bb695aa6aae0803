// A meeting in a page of the smallest kind: everybody who has the link is in it.
import {
  ClientError,
  type Conference,
  type ConferenceState,
  createMeetingSecret,
  formatMeetingFragment,
  joinMeeting,
  parseMeetingLink,
} from '@conclave/client';

/** Puts the link of a new meeting into the page's address. */
export function openNewMeeting(): void {
  const secret = createMeetingSecret((size) => crypto.getRandomValues(new Uint8Array(size)));
  location.hash = formatMeetingFragment({ secret, passphrase: false });
}

/** Joins the meeting in the page's address. */
export async function enter(name: string, signal: AbortSignal): Promise<Conference | undefined> {
  const devices = await navigator.mediaDevices.getUserMedia({ audio: true, video: { height: 720 } });
  try {
    const meeting = await joinMeeting({
      link: parseMeetingLink(location.href),
      profile: { name, handRaised: false },
      microphone: devices.getAudioTracks()[0],
      camera: devices.getVideoTracks()[0],
      signal,
    });
    meeting.subscribe((state) => show(meeting, state));
    show(meeting, meeting.state);
    return meeting;
  } catch (error) {
    for (const track of devices.getTracks()) track.stop();
    if (!(error instanceof ClientError)) throw error;
    document.body.textContent =
      error.code === 'no-frame-encryption' ? 'This browser cannot encrypt.' : error.message;
    return undefined;
  }
}

const TILE_HEIGHT_PX = 360;

function show(meeting: Conference, state: ConferenceState): void {
  const sounds = state.audioStreams.map((stream) => play('audio', stream));
  const tiles = state.participants.map(({ videoStream, profile }) => {
    const tile = document.createElement('figure');
    tile.append(videoStream === undefined ? '' : play('video', videoStream), profile?.name ?? '…');
    return tile;
  });
  document.body.replaceChildren(...sounds, ...tiles);
  meeting.watch(state.participants.map(({ id }) => ({ id, heightPx: TILE_HEIGHT_PX * devicePixelRatio })));
}

function play(kind: 'audio' | 'video', stream: MediaStream): HTMLMediaElement {
  const element = document.createElement(kind);
  element.srcObject = stream;
  element.autoplay = true;
  return element;
}

/** Shares a screen, with its sound where the browser gives it. The camera comes back when sharing ends. */
export async function shareScreen(meeting: Conference): Promise<void> {
  await meeting.setScreen(await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true }));
}

/** Takes another microphone during the call. */
export async function changeMicrophone(meeting: Conference, deviceId: string): Promise<void> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { deviceId: { exact: deviceId } } });
  await meeting.setMicrophone(stream.getAudioTracks()[0]);
}
