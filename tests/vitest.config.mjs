import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));

// Whole-system tests: real processes, real browsers. One at a time, since each wants the machine for itself.
export default defineConfig({
  root,
  resolve: { alias: [{ find: /^@conclave\/([a-z0-9-]+)$/, replacement: `${root}packages/$1/src/index.ts` }] },
  test: {
    include: ['tests/src/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    pool: 'forks',
  },
});
