import {
  type EncodedFrame,
  FrameTransform,
  type FrameTransformCommand,
  type FrameTransformReport,
  type FrameTransformRole,
} from './frame-transform.ts';
import { MediaCrypto, type SubtleCryptoLike } from './subtle-crypto.ts';

/** A stream of encoded frames that can be led through a transform; the platform's `ReadableStream` fits. */
export interface FrameSource {
  pipeThrough(transform: FramePipe): FrameSource;
  pipeTo(sink: FrameSink): Promise<void>;
}

/** Where encoded frames go; the platform's `WritableStream`. Opaque here. */
export interface FrameSink {
  readonly locked: boolean;
}

/** The platform's `TransformStream`. */
export interface FramePipe {
  // biome-ignore lint/suspicious/noExplicitAny: the platform's streams are of any element
  readonly readable: any;
  // biome-ignore lint/suspicious/noExplicitAny: the platform's streams are of any element
  readonly writable: any;
}

/** Both ends of one stream, as `createEncodedStreams` of older browsers gives them, with what to do between. */
export interface EncodedStreams {
  readonly role: FrameTransformRole;
  readonly readable: FrameSource;
  readonly writable: FrameSink;
  /** Asks the sender for a picture that needs no other, where the browser lets us. */
  readonly requestKeyFrame?: () => void;
}

/** What is posted to the worker: a command, or streams whose ends are in the list of transferred objects. */
export type FrameWorkerMessage =
  | FrameTransformCommand
  | ({ readonly type: 'streams' } & Omit<EncodedStreams, 'requestKeyFrame'>);

/** The part of `DedicatedWorkerGlobalScope` that the worker uses: `self` fits. */
export interface FrameWorkerScope {
  readonly crypto: {
    readonly subtle: SubtleCryptoLike;
    getRandomValues(array: Uint8Array<ArrayBuffer>): unknown;
  };
  readonly TransformStream: FramePipeConstructor;
  postMessage(message: FrameTransformReport): void;
  addEventListener(type: 'message', listener: (event: { readonly data: FrameWorkerMessage }) => void): void;
  /** Called by the browser for each transform of a sender or receiver. */
  // biome-ignore lint/suspicious/noExplicitAny: the platform's handler is bound to its scope's own type
  onrtctransform?: any;
}

/** What a browser says for each `RTCRtpScriptTransform` (its `RTCTransformEvent`). */
export interface FrameTransformEvent {
  readonly transformer: {
    // biome-ignore lint/suspicious/noExplicitAny: the page puts in what it likes
    readonly options: any;
    // biome-ignore lint/suspicious/noExplicitAny: the platform's streams are of any element
    readonly readable: any;
    // biome-ignore lint/suspicious/noExplicitAny: the platform's streams are of any element
    readonly writable: any;
    /** Rejects for audio, and where the stream has ended. */
    sendKeyFrameRequest?(): Promise<unknown>;
  };
}

/** The constructor of {@link FramePipe}. */
export type FramePipeConstructor = new (transformer: {
  transform(frame: EncodedFrame, controller: { enqueue(frame: EncodedFrame): void }): Promise<void>;
}) => FramePipe;

/**
 * Makes the worker that calls it encrypt and decrypt: `runFrameTransformWorker(self)` is a whole worker script. It takes
 * {@link FrameWorkerMessage}, posts {@link FrameTransformReport}, and serves every `RTCRtpScriptTransform` made with a
 * {@link FrameTransformRole} as its options.
 */
export function runFrameTransformWorker(scope: FrameWorkerScope): FrameTransform {
  const transform = new FrameTransform(new MediaCrypto(scope.crypto.subtle), (size) => {
    const bytes = new Uint8Array(size);
    scope.crypto.getRandomValues(bytes);
    return bytes;
  });
  const report = (): void => {
    for (let next = transform.pollReport(); next !== undefined; next = transform.pollReport())
      scope.postMessage(next);
  };
  scope.addEventListener('message', ({ data }) => {
    if (data.type === 'streams') {
      pipeFrames(transform, scope.TransformStream, data, report);
      return;
    }
    transform.handleCommand(data).then(report, () => {
      // The message of the error is for developers only; a command may hold keys, so nothing of it goes back.
      scope.postMessage({ type: 'refused', command: data.type });
    });
  });
  scope.onrtctransform = ({ transformer }: FrameTransformEvent) => {
    const { options, readable, writable } = transformer;
    const role: FrameTransformRole = options;
    const requestKeyFrame = (): void => {
      transformer.sendKeyFrameRequest?.().catch(() => undefined);
    };
    pipeFrames(transform, scope.TransformStream, { role, readable, writable, requestKeyFrame }, report);
  };
  return transform;
}

/**
 * Leads one stream through the transform until it ends. Also for a page whose browser has `createEncodedStreams` but
 * cannot transfer its ends to a worker. `report` is called after every frame.
 */
export function pipeFrames(
  transform: FrameTransform,
  pipe: FramePipeConstructor,
  streams: EncodedStreams,
  report: () => void,
): void {
  const { role, readable, writable, requestKeyFrame } = streams;
  let dropped = false;
  const between = new pipe({
    async transform(frame, controller) {
      // The stream waits for the promise, which keeps the frames in order.
      const passes = await transform.transform(role, frame);
      if (passes) controller.enqueue(frame);
      // The decoder does not know that frames were lost here, and would wait long for a picture it can begin with.
      if (
        passes &&
        dropped &&
        role.kind === 'video' &&
        role.direction === 'receive' &&
        frame.type !== 'key'
      ) {
        requestKeyFrame?.();
      }
      dropped = !passes;
      report();
    },
  });
  // A stream ends with an error when its transceiver is stopped: that is no news.
  readable
    .pipeThrough(between)
    .pipeTo(writable)
    .catch(() => undefined);
}
