import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { parse, parseAllDocuments } from 'yaml';

const root = fileURLToPath(new URL('../../', import.meta.url));
const renderer = `${root}.state/render-chart`;

/** A chart of this repository. */
export type ChartName = 'sft' | 'turn';

/** A manifest, as far as all kinds are alike. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has fields of its own, checked by its type elsewhere.
  readonly [field: string]: any;
}

/** Compiles the renderer; a second time costs little. Throws when Go or sprig are missing. */
export function buildRenderer(): void {
  mkdirSync(`${root}.state`, { recursive: true });
  execFileSync('go', ['build', '-o', renderer, `${root}tests/charts/render.go`], {
    env: { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode' },
  });
}

/** Text of a file of a chart. */
export function readChartFile(chart: ChartName, path: string): string {
  return readFileSync(`${root}charts/${chart}/${path}`, 'utf8');
}

/** The defaults of a chart. */
export function readDefaults(chart: ChartName): Record<string, unknown> {
  return parse(readChartFile(chart, 'values.yaml')) as Record<string, unknown>;
}

/** What `values.schema.json` finds wrong with values laid over the defaults; nothing when they are right. */
export function findSchemaErrors(chart: ChartName, values: object): string[] {
  const validate = new Ajv({ allErrors: true }).compile(
    JSON.parse(readChartFile(chart, 'values.schema.json')),
  );
  return validate(values) ? [] : validate.errors!.map((error) => `${error.instancePath} ${error.message}`);
}

/** Renders a chart for the release `conclave` in the namespace `calls`. Throws what the chart refuses, as a sentence. */
export function renderChart(chart: ChartName, values: object): Manifest[] {
  const input = JSON.stringify({ values, release: 'conclave', namespace: 'calls' });
  const { status, stdout, stderr } = spawnSync(renderer, [`${root}charts/${chart}`], {
    input,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return Object.values(JSON.parse(stdout) as Record<string, string>).flatMap((text) =>
    parseAllDocuments(text).flatMap((document) => {
      if (document.errors.length > 0) throw new Error(`${document.errors[0]!.message} in\n${text}`);
      const manifest = document.toJS() as Manifest | null;
      return manifest === null ? [] : [manifest];
    }),
  );
}
