import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('.', import.meta.url));

// Tests run on the sources of every package, so that a change in one is seen by all without a build.
export default defineConfig({
  root,
  resolve: {
    alias: [
      { find: /^@conclave\/app-([a-z0-9-]+)$/, replacement: `${root}apps/$1/src/index.ts` },
      { find: /^@conclave\/([a-z0-9-]+)$/, replacement: `${root}packages/$1/src/index.ts` },
    ],
  },
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'packages/*/test/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'apps/*/test/**/*.test.ts',
    ],
    testTimeout: 20_000,
    pool: 'forks',
  },
});
