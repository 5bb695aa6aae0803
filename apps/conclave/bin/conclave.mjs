#!/usr/bin/env node
// This file is linked before anything is compiled, so it must run without the compiled code.
let main;
try {
  main = await import('../dist/main.js');
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  process.stderr.write('CONCLAVE_NOT_BUILT: not built yet: run `npm start` or `npm run build`\n');
  process.exit(2);
}
await main.runProcess();
