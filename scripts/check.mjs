// Format, lint, types and boundaries: what must hold before any test is worth running.
import { installPackages, root, run, say } from './prepare.mjs';

installPackages();
say('checking format and lint');
run(`${root}node_modules/.bin/biome`, ['check', '--error-on-warnings', '.']);
say('checking types');
run(`${root}node_modules/.bin/tsc`, ['-b']);
say('checking boundaries');
run(process.execPath, ['scripts/boundaries.mjs']);
