import { ClientError, type ClientErrorCode } from '@conclave/client';
import { render } from 'preact';
import { App } from '../src/state/app.ts';
import { Page } from '../src/views/page.tsx';
import { FakeMeeting } from './fake-meeting.ts';
import { drawPortrait } from './portrait.ts';

declare global {
  interface Window {
    /** What the query of the page brought about, for tests. */
    rehearsal: { meeting: FakeMeeting | undefined; app: App };
  }
}

const query = new URLSearchParams(window.location.search);
const numbers = (name: string): number[] => query.get(name)?.split(',').map(Number) ?? [];

const app = new App({
  window,
  server: undefined,
  join: async ({ profile, muted }) => {
    const code = query.get('error') as ClientErrorCode | null;
    if (code) throw new ClientError(code);
    const meeting = new FakeMeeting(
      {
        people: Number(query.get('people') ?? 3),
        ...(query.has('sharing') ? { sharing: Number(query.get('sharing')) } : {}),
        hands: numbers('hands'),
        failing: numbers('failing'),
        speaking: numbers('speaking'),
      },
      profile,
      muted ?? false,
    );
    window.rehearsal.meeting = meeting;
    return meeting;
  },
});
window.rehearsal = { meeting: undefined, app };

// A camera with somebody before it, since the one of test browsers shows a moving pie.
if (query.has('portrait')) {
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    if (query.get('devices') === 'denied') throw new DOMException('no', 'NotAllowedError');
    const stream = new MediaStream();
    if (constraints?.video) {
      const canvas = document.createElement('canvas');
      canvas.width = 1280;
      canvas.height = 720;
      let phase = 0;
      const paint = () => {
        phase += 0.4;
        drawPortrait(canvas, 27, phase);
      };
      paint();
      setInterval(paint, 500);
      stream.addTrack(canvas.captureStream(2).getVideoTracks()[0]!);
    }
    if (constraints?.audio) {
      const context = new AudioContext();
      const tone = new OscillatorNode(context, { frequency: 220 });
      const gain = new GainNode(context, { gain: 0.2 });
      const output = context.createMediaStreamDestination();
      tone.connect(gain).connect(output);
      tone.start();
      stream.addTrack(output.stream.getAudioTracks()[0]!);
    }
    return stream;
  };
}
app.start();
render(<Page app={app} />, document.querySelector('#app')!);
