import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

// The page loads nothing but its own files, and from wherever it is put: every address in it is relative.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  build: {
    outDir: 'build',
    emptyOutDir: true,
    target: ['chrome111', 'firefox117', 'safari16.4'],
    // Policies of the page forbid inline scripts and data addresses for scripts and fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  worker: { format: 'es' },
});
