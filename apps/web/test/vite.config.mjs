import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

// The page with made-up people, to see every screen without a server. No part of the product.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  publicDir: '../public',
  build: {
    outDir: '../out/rehearsal',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
});
