// The worker that encrypts and decrypts frames, as a whole script: pages run it as a module from their own origin.
import { type FrameWorkerScope, runFrameTransformWorker } from '@conclave/e2ee';

runFrameTransformWorker(self as unknown as FrameWorkerScope);
