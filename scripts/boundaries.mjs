// Checks who may import whom: a package imports only what its package.json and tsconfig name, never an app, never
// past another package's front door; pure packages take no time, randomness or platform of their own.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './prepare.mjs';

const PURE = ['bytes', 'stun', 'ice', 'turn', 'sdp', 'rtp', 'sctp', 'econn', 'conference', 'transport'];
const FORBIDDEN_IN_PURE = [
  [/\bDate\.now\b/, 'Date.now (time is an argument)'],
  [/\bnew Date\(\s*\)/, 'new Date() (time is an argument)'],
  [/\bperformance\.now\b/, 'performance.now (time is an argument)'],
  [/\bMath\.random\b/, 'Math.random (randomness is an argument)'],
  [/from 'node:/, 'a Node module (the package is pure)'],
];

function* sources(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) {
      if (name !== 'node_modules' && name !== 'dist' && name !== 'build') yield* sources(path);
    } else if (/\.(ts|tsx|mjs)$/.test(name)) yield path;
  }
}

const problems = [];
for (const parent of ['packages', 'apps']) {
  for (const name of readdirSync(join(root, parent))) {
    const folder = join(root, parent, name);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const allowed = new Set(Object.keys(manifest.dependencies ?? {}));
    const referenced = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8')).references ?? [];
    const pure = parent === 'packages' && PURE.includes(name);
    for (const file of sources(join(folder, 'src'))) {
      const text = readFileSync(file, 'utf8');
      const isTest = file.endsWith('.test.ts');
      const at = relative(root, file);
      for (const [, target] of text.matchAll(/(?:from|import)\s*\(?\s*'([^'.][^']*)'/g)) {
        if (target.startsWith('node:')) continue;
        const scoped = target.startsWith('@');
        const packageName = target
          .split('/')
          .slice(0, scoped ? 2 : 1)
          .join('/');
        if (packageName.startsWith('@conclave/')) {
          if (target !== packageName)
            problems.push(`${at}: imports ${target}; only ${packageName} itself is public`);
          if (packageName === manifest.name) problems.push(`${at}: imports its own package by name`);
          if (isTest) continue;
          if (packageName.startsWith('@conclave/app-') && parent === 'packages')
            problems.push(`${at}: a package may not import the app ${packageName}`);
          if (packageName === '@conclave/testkit' && name !== 'testkit')
            problems.push(`${at}: the test kit is for tests only`);
          if (!allowed.has(packageName))
            problems.push(`${at}: imports ${packageName}, which its package.json does not name`);
          else if (
            !referenced.some(
              (r) => packageName.replace('@conclave/', '').replace('app-', '') === r.path.split('/').pop(),
            )
          ) {
            problems.push(`${at}: imports ${packageName}, which its tsconfig does not reference`);
          }
        } else if (!isTest && !allowed.has(packageName)) {
          problems.push(`${at}: imports ${packageName}, which its package.json does not name`);
        }
      }
      if (!pure || isTest) continue;
      const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
      for (const [pattern, what] of FORBIDDEN_IN_PURE)
        if (pattern.test(code)) problems.push(`${at}: uses ${what}`);
    }
  }
}
for (const problem of problems) console.error(`boundary: ${problem}`);
if (problems.length > 0) process.exit(1);
console.log('boundaries: every import is one its package may make');
