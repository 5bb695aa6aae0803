// `npm run soak`: lets ten thousand clients join and leave a server and prints what it holds after every thousand.
// Fails when that grows. Another number can be given: `npm run soak -- 2000`.
import { spawnSync } from 'node:child_process';
import { prepare, root, say } from './prepare.mjs';

const joins = Number(process.argv[2] ?? 10_000);
if (!Number.isInteger(joins) || joins < 100 || joins % 100 !== 0) {
  console.error('conclave: the number of joins has to be a multiple of 100.');
  process.exit(2);
}
prepare();
say(`${joins} clients join and leave`);
const result = spawnSync(
  `${root}node_modules/.bin/vitest`,
  [
    'run',
    'tests/src/joins-and-leaves.test.ts',
    '--config=tests/vitest.config.mjs',
    '--disable-console-intercept=true',
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, CONCLAVE_SOAK_JOINS: String(joins) } },
);
process.exit(result.status === 0 ? 0 : 1);
