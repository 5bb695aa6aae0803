import { defineConfig, mergeConfig } from 'vitest/config';
import everything from './vitest.config.mjs';
import { sideBySide } from './vitest-side-by-side.config.mjs';

/** Whole-system tests that want the machine for themselves. */
export default mergeConfig(everything, defineConfig({ test: { exclude: sideBySide } }));
