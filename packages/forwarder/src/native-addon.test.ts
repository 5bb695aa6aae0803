import { afterEach, expect, test, vi } from 'vitest';
import { loadNativeAddon } from './native-addon.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

test('an addon that was not built is missed with a sentence that says what to do', () => {
  vi.stubEnv('CONCLAVE_FORWARDER_ADDON', '/nowhere/forwarder.node');
  expect(() => loadNativeAddon()).toThrow(
    'The forwarding addon was not built (/nowhere/forwarder.node is missing): run npm start or npm run build.',
  );
});

test('the addon is one object, however often it is loaded', () => {
  expect(loadNativeAddon()).toBe(loadNativeAddon());
});
