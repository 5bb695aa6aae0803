import { defineConfig, mergeConfig } from 'vitest/config';
import everything from './vitest.config.mjs';

/**
 * Whole-system tests that judge no media in real time and mostly wait, for networks that do not answer or clients that
 * come and go: two at a time leave enough of the machine to each. All others want it for themselves.
 */
export const sideBySide = [
  'bots',
  'calls-page',
  'charts',
  'command',
  'crash',
  'diagnosis',
  'everything-on-one-machine',
  'federation-demand',
  'federation-trust',
  'frame-worker',
  'joins-and-leaves',
  'meeting-page-behind-firewalls',
  'meeting-page-screens',
  'metrics-page',
  'no-plaintext',
  'srtp-profiles',
  'turn-networks',
  'wire-clients-with-sdk',
].map((name) => `tests/src/${name}.test.ts`);

const { include: _all, ...test } = everything.test;

export default mergeConfig(
  { ...everything, test },
  defineConfig({ test: { include: sideBySide, fileParallelism: true, maxWorkers: 2 } }),
);
