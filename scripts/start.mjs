// `npm start`: from a bare clone to a running SFT on this machine.
import { prepare, say } from './prepare.mjs';

/** Milliseconds within which two equal signals are one. Nobody presses Ctrl-C faster on purpose. */
const SAME_PRESS_MS = 300;

/**
 * Signals, each once. A terminal sends its Ctrl-C to every process in front, and npm passes on its own: a server that
 * took that for two would not wait for its calls to end.
 */
function oncePerPress(source) {
  const wrapped = new Map();
  return {
    on(signal, listener) {
      let last = Number.NEGATIVE_INFINITY;
      const once = () => {
        const now = performance.now();
        const again = now - last < SAME_PRESS_MS;
        last = now;
        if (!again) listener();
      };
      wrapped.set(listener, once);
      source.on(signal, once);
    },
    off(signal, listener) {
      source.off(signal, wrapped.get(listener));
      wrapped.delete(listener);
    },
  };
}

prepare();
say('starting the SFT');
const own = process.argv.slice(2);
const flags = own.length > 0 ? own : ['-I', '127.0.0.1', '-p', '8585', '-A', '127.0.0.1', '-O', 'lo'];
const { runProcess } = await import('../apps/conclave/dist/main.js');
await runProcess({ words: ['sft', ...flags], signals: oncePerPress(process) });
