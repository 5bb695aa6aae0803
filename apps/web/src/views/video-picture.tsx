import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** How a picture fills its tile. */
export interface VideoPictureProps {
  readonly stream: MediaStream | undefined;
  /** As in a mirror, for the own camera. */
  readonly mirrored?: boolean;
  /** Nothing may be cut off, as with screens. */
  readonly whole?: boolean;
  /** Width through height of the tile. */
  readonly aspect: number;
}

/**
 * How much wider than its tile a picture may be, as a ratio of aspects, before it is shown whole instead of cut at its
 * sides. People sit in the middle.
 */
const MAX_CUT_AT_SIDES = 4;
/** The same for pictures taller than their tile. Less, since faces are in the upper part. */
const MAX_CUT_ABOVE = 1.5;

/** A moving picture without sound. Shows nothing until its first frame is there. */
export function VideoPicture({ stream, mirrored, whole, aspect }: VideoPictureProps): VNode {
  const element = useRef<HTMLVideoElement>(null);
  const [size, setSize] = useState<{ width: number; height: number } | undefined>(undefined);
  useEffect(() => {
    const video = element.current!;
    if (video.srcObject === (stream ?? null)) return;
    setSize(undefined);
    video.srcObject = stream ?? null;
    if (stream) void video.play().catch(() => undefined);
  }, [stream]);
  useEffect(
    () => () => {
      if (element.current) element.current.srcObject = null;
    },
    [],
  );
  const ratio = size ? size.width / size.height / aspect : 1;
  const contained = whole || ratio > MAX_CUT_AT_SIDES || 1 / ratio > MAX_CUT_ABOVE;
  const measure = () => {
    // Events of a picture that is being taken away still come.
    const { videoWidth: width = 0, videoHeight: height = 0 } = element.current ?? {};
    setSize(width > 0 && height > 0 ? { width, height } : undefined);
  };
  return (
    <video
      ref={element}
      class={`picture ${size ? 'picture-there' : ''} ${mirrored ? 'mirrored' : ''} ${contained ? 'contained' : ''}`}
      aria-hidden="true"
      tabIndex={-1}
      muted
      playsInline
      autoplay
      disablePictureInPicture
      onLoadedData={measure}
      onResize={measure}
    />
  );
}
