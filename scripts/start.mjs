// `npm start`: from a bare clone to meetings on this machine. Words after `--` go to `conclave up`; words that begin
// with another command run that.
import { mkdirSync } from 'node:fs';
import { prepare, root, say } from './prepare.mjs';

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

const COMMANDS = ['up', 'sft', 'turn', 'init', 'doctor'];

prepare();
say('starting');
const own = process.argv.slice(2);
// What the server keeps for itself goes where everything else that is made here goes, unless told otherwise.
const kept = ['--state', `${root}.state/up`, '--log-prefix', `${root}.state/up/conclave`];
mkdirSync(`${root}.state/up`, { recursive: true, mode: 0o700 });
const words = COMMANDS.includes(own[0]) ? own : ['up', ...kept, ...own];
const { runProcess } = await import('../apps/conclave/dist/main.js');
await runProcess({ words, signals: oncePerPress(process) });
