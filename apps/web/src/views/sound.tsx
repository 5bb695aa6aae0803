import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Call } from '../state/call.ts';
import { useApp } from './app-context.ts';

/** Plays what the others say. Nothing to see. */
export function Sound({ call }: { readonly call: Call }): VNode {
  const { media } = useApp();
  const blocked = call.soundBlocked.value;
  return (
    <>
      {call.state.value.audioStreams.map((stream) => (
        <Voice
          key={stream.id}
          stream={stream}
          speakerId={media.speakerId.value}
          attempt={!blocked}
          refused={() => {
            call.soundBlocked.value = true;
          }}
        />
      ))}
    </>
  );
}

interface VoiceProps {
  readonly stream: MediaStream;
  readonly speakerId: string | undefined;
  /** Whether to try to play. */
  readonly attempt: boolean;
  /** The browser wants a click first. */
  readonly refused: () => void;
}

function Voice({ stream, speakerId, attempt, refused }: VoiceProps): VNode {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current!;
    audio.srcObject = stream;
    return () => {
      audio.srcObject = null;
    };
  }, [stream]);
  useEffect(() => {
    if (!attempt) return;
    element.current!.play().catch((error: Error) => {
      if (error.name === 'NotAllowedError') refused();
    });
  }, [stream, attempt]);
  useEffect(() => {
    const audio = element.current!;
    if (!('setSinkId' in audio)) return;
    // A loudspeaker that was unplugged: the browser goes on with the system's.
    void audio.setSinkId(speakerId ?? '').catch(() => undefined);
  }, [speakerId]);
  // biome-ignore lint/a11y/useMediaCaption: live speech has no captions
  return <audio ref={element} />;
}
