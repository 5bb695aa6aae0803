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

/** A picture may lose this share at its edges to fill the tile; beyond it is shown whole. As a ratio of aspects. */
const MAX_CUT = 1.9;

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
  const contained = whole || Math.max(ratio, 1 / ratio) > MAX_CUT;
  const measure = () => {
    const { videoWidth: width, videoHeight: height } = element.current!;
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
