import type { FrameTransformCommand, FrameTransformRole } from './frame-transform.ts';

/** How a browser lets encoded frames be changed. */
export type FrameTransformSupport = 'script-transform' | 'encoded-streams' | 'none';

/** The part of the page's global object that is asked for support: `globalThis` fits. */
export interface FrameTransformGlobals {
  readonly RTCRtpScriptTransform?: new (
    // biome-ignore lint/suspicious/noExplicitAny: the platform's `Worker`, which has no name here
    worker: any,
    options?: unknown,
  ) => unknown;
  readonly RTCRtpSender?: { readonly prototype: object };
}

/** The part of a `Worker` that is used. */
export interface FrameTransformWorker {
  postMessage(message: unknown, transfer: never[]): void;
  postMessage(message: unknown): void;
}

/** An `RTCRtpSender` or `RTCRtpReceiver`. */
export interface FrameTransformTarget {
  // biome-ignore lint/suspicious/noExplicitAny: the platform's transform has no name here
  transform?: any;
  createEncodedStreams?(): { readonly readable: unknown; readonly writable: unknown };
}

/** The page's end of the frame crypto in a worker. */
export interface FrameTransformPort {
  /** Never `none`. */
  readonly support: FrameTransformSupport;
  /** What the `RTCPeerConnection` has to be made with for this support. */
  readonly peerConnectionOptions: { readonly encodedInsertableStreams?: true };
  /** Leads a sender or receiver through the worker; at once after it is made, before any frame, and once only. */
  attach(target: FrameTransformTarget, role: FrameTransformRole): void;
  /** Posts a command. */
  post(command: FrameTransformCommand): void;
}

/** The browser can encrypt no frames: media must not be sent at all. */
export class FrameTransformUnsupportedError extends Error {
  constructor() {
    super('this browser cannot encrypt media frames');
    this.name = 'FrameTransformUnsupportedError';
  }
}

/** What the browser can do, better things first. */
export function frameTransformSupport(globals: FrameTransformGlobals): FrameTransformSupport {
  if (globals.RTCRtpScriptTransform !== undefined) return 'script-transform';
  const sender = globals.RTCRtpSender?.prototype;
  return sender !== undefined && 'createEncodedStreams' in sender ? 'encoded-streams' : 'none';
}

/**
 * Connects a page with a worker that runs `runFrameTransformWorker`. Throws {@link FrameTransformUnsupportedError} where
 * there is neither `RTCRtpScriptTransform` nor `createEncodedStreams`.
 */
export function createFrameTransform(
  globals: FrameTransformGlobals,
  worker: FrameTransformWorker,
): FrameTransformPort {
  const support = frameTransformSupport(globals);
  const ScriptTransform = globals.RTCRtpScriptTransform;
  if (support === 'none') throw new FrameTransformUnsupportedError();
  return {
    support,
    peerConnectionOptions: support === 'encoded-streams' ? { encodedInsertableStreams: true } : {},
    attach(target, role) {
      if (ScriptTransform !== undefined) {
        target.transform = new ScriptTransform(worker, role);
        return;
      }
      const streams = target.createEncodedStreams?.();
      if (streams === undefined) throw new FrameTransformUnsupportedError();
      const { readable, writable } = streams;
      worker.postMessage({ type: 'streams', role, readable, writable }, [readable, writable] as never[]);
    },
    post(command) {
      worker.postMessage(command);
    },
  };
}
