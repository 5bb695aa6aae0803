import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const folder = new URL('../', import.meta.url);

it('every example of the README stands in a program that is compiled', () => {
  const readme = readFileSync(new URL('README.md', folder), 'utf8');
  const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);
  const programs = readdirSync(new URL('examples/', folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(new URL(`examples/${name}`, folder), 'utf8'));
  expect(blocks.length).toBeGreaterThan(0);
  for (const block of blocks) expect(programs.some((program) => program.includes(block))).toBe(true);
});
