import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  buildRenderer,
  type ChartName,
  findSchemaErrors,
  type Manifest,
  readChartFile,
  readDefaults,
  renderChart,
} from './chart.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const needed = {
  host: 'sft.example.org',
  allowOrigin: 'https://app.example.org',
  tls: { issuerRef: { name: 'letsencrypt' } },
};
const neededByTurn = { realm: 'example.org', secret: 'shared' };
const federation = {
  enabled: true,
  existingSecret: 'links',
  authority: '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n',
  domains: ['partner.example', 'another.example'],
  allowAddresses: ['10.1.0.0/16'],
};
const valuesOfWire = {
  replicaCount: 3,
  image: { repository: 'registry.example/conclave', pullPolicy: 'Always', tag: '1' },
  imagePullSecrets: [{ name: 'registry' }],
  podAnnotations: { team: 'calls' },
  podSecurityContext: { fsGroup: 31337 },
  securityContext: { runAsUser: 31337 },
  resources: { requests: { cpu: '1' } },
  nodeSelector: { 'wire.com/role': 'sftd' },
  tolerations: [{ key: 'calls', operator: 'Exists' }],
  terminationGracePeriodSeconds: 10,
  config: { ingressClass: 'nginx' },
  metrics: { serviceMonitor: { enabled: true } },
  host: 'sftd.example.org',
  allowOrigin: 'https://webapp.example.org',
  tls: { key: 'KEY', crt: 'CERTIFICATE' },
  joinCall: { replicaCount: 2, image: { repository: 'nginxinc/nginx-unprivileged', tag: '1.25.3' } },
  turnDiscoveryEnabled: true,
  sftTokenSecret: 'wire',
  multiSFT: { enabled: false, discoveryRequired: true, turnDiscoveryURL: '' },
  additionalCmdArgs: '--verbose',
};
const everything = {
  ...needed,
  federation,
  media: { threads: 2, nodePublicAddresses: { a: '203.0.113.7' }, serviceAnnotations: { a: 'b' } },
  autoscaling: { enabled: true },
  metrics: { serviceMonitor: { enabled: true }, dashboard: { enabled: true } },
  sftTokenSecret: 's',
  affinity: { nodeAffinity: {} },
};
const cases: [string, ChartName, object][] = [
  ['the least values', 'sft', needed],
  ['the values of Wire’s chart', 'sft', valuesOfWire],
  ['everything on', 'sft', everything],
  ['the host network', 'sft', { ...everything, media: { exposure: 'hostNetwork', threads: 2 } }],
  [
    'load balancers',
    'sft',
    {
      ...needed,
      replicaCount: 2,
      media: { exposure: 'loadBalancer', publicAddresses: ['192.0.2.1', '192.0.2.2'] },
    },
  ],
  ['a TURN server in the host network', 'turn', neededByTurn],
  [
    'TURN servers at node ports',
    'turn',
    {
      ...neededByTurn,
      replicaCount: 2,
      exposure: 'nodePort',
      tlsSecret: 'tls',
      allowPeers: ['10.0.0.0/8'],
      metrics: { serviceMonitor: { enabled: true }, dashboard: { enabled: true } },
    },
  ],
];

function only(manifests: Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter((one) => one.kind === kind && one.metadata.name === name);
  expect(found, `${kind} ${name}`).toHaveLength(1);
  return found[0]!;
}

/** Runs the start script of a pod with a program in place of the server, and returns the words it was given. */
function startWords(manifests: Manifest[], name: string, environment: Record<string, string>): string[] {
  const script = only(manifests, 'ConfigMap', name).data['start.sh'].replace(
    'exec conclave ',
    "printf '%s\\n' ",
  );
  const env = {
    POD_NAME: `${name}-0`,
    POD_IP: '10.0.0.9',
    HOST_IP: '192.0.2.9',
    NODE_NAME: 'n',
    ...environment,
  };
  return execFileSync('/bin/sh', ['-c', script], { env, encoding: 'utf8' }).trimEnd().split('\n');
}

function wordAfter(words: string[], flag: string): string | undefined {
  return words[words.indexOf(flag) + 1];
}

beforeAll(buildRenderer, 240_000);

describe('rendered', () => {
  it.each(cases)('with %s, values fit the schema and options exist', (_, chart, values) => {
    expect(findSchemaErrors(chart, values)).toEqual([]);
    const manifests = renderChart(chart, values);
    const name = `conclave-${chart}`;
    const help = spawnSync(process.execPath, [`${root}apps/conclave/bin/conclave.mjs`, chart, '--help'], {
      encoding: 'utf8',
    }).stdout;
    const known = new Set(help.match(/--[a-z][a-z-]+/g));
    const words = startWords(manifests, name, {}).filter((word) => word.startsWith('--'));
    const settings = Object.keys(parse(only(manifests, 'ConfigMap', name).data[`${chart}.yaml`]));
    for (const option of [...words, ...settings.map((key) => `--${key}`)]) expect(known).toContain(option);
    expect(words.length).toBeGreaterThan(4);
  });

  it('manifests have the types of Kubernetes', () => {
    const modules: Record<string, string> = {
      v1: 'core/v1',
      'apps/v1': 'apps/v1',
      'autoscaling/v2': 'autoscaling/v2',
      'networking.k8s.io/v1': 'networking/v1',
      'policy/v1': 'policy/v1',
    };
    const foreign = new Set(['ServiceMonitor', 'Certificate']);
    const manifests = cases
      .flatMap(([, chart, values]) => renderChart(chart, values))
      .filter((one) => !foreign.has(one.kind));
    const check = (checked: Manifest[]) => {
      const lines = checked.map((one, index) => {
        const type = `import('kubernetes-types/${modules[one.apiVersion]}').${one.kind}`;
        return `export const manifest${index}: ${type} = ${JSON.stringify(one)};`;
      });
      const file = `${root}.state/manifests.ts`;
      writeFileSync(file, `${lines.join('\n')}\n`);
      const words = [
        '--noEmit',
        '--strict',
        '--skipLibCheck',
        '--module',
        'preserve',
        '--ignoreConfig',
        file,
      ];
      return spawnSync(`${root}node_modules/.bin/tsc`, words, { cwd: root, encoding: 'utf8' }).stdout;
    };
    expect(manifests.length).toBeGreaterThan(50);
    expect(check(manifests)).toBe('');
    const service = manifests.find((one) => one.kind === 'Service')!;
    expect(check([{ ...service, spec: { ...service.spec, unheardOf: 1 } }])).toContain('unheardOf');
  }, 120_000);

  it('names no object twice, and no pod may be root, write or gain rights', () => {
    for (const [, chart, values] of cases) {
      const manifests = renderChart(chart, values);
      const names = manifests.map((one) => `${one.kind}/${one.metadata.name}`);
      expect(new Set(names).size).toBe(names.length);
      for (const workload of manifests.filter((one) => ['StatefulSet', 'Deployment'].includes(one.kind))) {
        const pod = workload.spec.template.spec;
        expect(pod.securityContext).toMatchObject({
          runAsNonRoot: true,
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(pod.automountServiceAccountToken).toBe(false);
        for (const container of pod.containers)
          expect(container.securityContext).toMatchObject({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
      }
    }
  });
});

describe('conference servers', () => {
  it('have ports of their own, the same inside and outside, and a URL that leads to the very pod', () => {
    const manifests = renderChart('sft', { ...everything, autoscaling: { enabled: false }, replicaCount: 3 });
    for (const pod of [0, 1, 2]) {
      const words = startWords(manifests, 'conclave-sft', {
        POD_NAME: `conclave-sft-${pod}`,
        NODE_NAME: 'a',
      });
      const media = Number(wordAfter(words, '--media-port'));
      expect(media).toBe(30400 + 2 * pod);
      expect(wordAfter(words, '--federation-port')).toBe(String(30600 + 2 * pod));
      expect(wordAfter(words, '--public-address')).toBe('203.0.113.7');
      expect(wordAfter(words, '--url')).toBe(`https://sft.example.org/sfts/conclave-sft-${pod}`);
      const service = only(manifests, 'Service', `conclave-sft-media-${pod}`).spec;
      expect(service.selector['statefulset.kubernetes.io/pod-name']).toBe(`conclave-sft-${pod}`);
      const ports = service.ports as {
        port: number;
        nodePort: number;
        targetPort: number;
        protocol: string;
      }[];
      for (const one of ports) expect([one.nodePort, one.targetPort]).toEqual([one.port, one.port]);
      expect(ports.map((one) => `${one.port}/${one.protocol}`).sort()).toEqual(
        [0, 1].flatMap((i) => [`${media + i}/UDP`, `${media + i}/TCP`, `${30600 + 2 * pod + i}/UDP`]).sort(),
      );
    }
    expect(wordAfter(startWords(manifests, 'conclave-sft', {}), '--public-address')).toBe('192.0.2.9');
  });

  it('are all named to the backend, and the router leads to them and nowhere else', () => {
    const manifests = renderChart('sft', everything);
    const routes = only(manifests, 'ConfigMap', 'conclave-sft-join-call').data;
    expect(JSON.parse(routes['sft_servers_all.json'])).toEqual({
      sft_servers_all: [0, 1, 2, 3].map((pod) => `https://sft.example.org/sfts/conclave-sft-${pod}`),
    });
    const pattern = new RegExp(/location ~ (\S+) \{/.exec(routes['default.conf'])![1]!);
    expect(pattern.exec('/sfts/conclave-sft-2/sft/abc')?.slice(1)).toEqual(['conclave-sft-2', 'sft/abc']);
    expect(pattern.test('/sfts/kubernetes/api')).toBe(false);
  });

  it('keep to the values of Wire’s chart', () => {
    const manifests = renderChart('sft', valuesOfWire);
    const server = only(manifests, 'StatefulSet', 'conclave-sft').spec;
    expect(server.replicas).toBe(3);
    expect(server.template.spec).toMatchObject({
      terminationGracePeriodSeconds: 10,
      nodeSelector: { 'wire.com/role': 'sftd' },
      containers: [{ image: 'registry.example/conclave:1', imagePullPolicy: 'Always' }],
    });
    expect(parse(only(manifests, 'ConfigMap', 'conclave-sft').data['sft.yaml'])).toMatchObject({
      'cors-origin': 'https://webapp.example.org',
      'require-auth': true,
      'secret-file': '/secrets/token/sftTokenSecret.txt',
      'turn-discovery': true,
    });
    expect(startWords(manifests, 'conclave-sft', {})).toContain('--verbose');
    expect(only(manifests, 'Secret', 'conclave-sft-tls').stringData).toEqual({
      'tls.crt': 'CERTIFICATE',
      'tls.key': 'KEY',
    });
    expect(only(manifests, 'Deployment', 'conclave-sft-join-call').spec.replicas).toBe(2);
  });

  it.each([
    ['no host', { host: '' }, 'Set host'],
    ['no origin', { allowOrigin: '' }, 'Set allowOrigin'],
    ['no certificate', { tls: {} }, 'Set one of tls.key'],
    ['half a certificate', { tls: { crt: 'C' } }, 'Set tls.key and tls.crt together'],
    ['Wire’s federation', { multiSFT: { enabled: true } }, 'Set federation.enabled instead'],
    ['core dumps', { coredumps: { enabled: true } }, 'coredumps.enabled has no meaning'],
    ['ports that no node gives', { media: { basePort: 40000 } }, '30000-32767'],
    ['load balancers without addresses', { media: { exposure: 'loadBalancer' } }, 'media.publicAddresses'],
    ['federation with nobody', { federation: { ...federation, domains: [] } }, 'Set federation.domains'],
    ['a port used twice', { federation: { ...federation, basePort: 30400 } }, 'no port is used twice'],
  ])('are refused with a sentence: %s', (_, values, sentence) => {
    expect(() => renderChart('sft', { ...needed, ...values })).toThrow(sentence);
  });
});

describe('TURN servers', () => {
  it('take a block of ports each where the network is not the host’s', () => {
    const manifests = renderChart('turn', cases.find(([title]) => title.includes('node ports'))![2]);
    const words = startWords(manifests, 'conclave-turn', { POD_NAME: 'conclave-turn-1' });
    expect(wordAfter(words, '--listen')).toBe('10.0.0.9:30808');
    expect(wordAfter(words, '--listen-tls')).toBe('10.0.0.9:30809');
    expect(wordAfter(words, '--shared-relay-port')).toBe('30810');
    expect(wordAfter(words, '--relay-ports')).toBe('30811-30815');
    const { ports } = only(manifests, 'Service', 'conclave-turn-relay-1').spec;
    expect(new Set(ports.map((one: { nodePort: number }) => one.nodePort))).toEqual(
      new Set([30808, 30809, 30810, 30811, 30812, 30813, 30814, 30815]),
    );
  });

  it.each([
    ['no realm', { realm: '' }, 'Set realm'],
    ['no secret', { secret: '' }, 'Set one of secret'],
    ['two secrets', { existingSecret: 'other' }, 'Set one of secret'],
  ])('are refused with a sentence: %s', (_, values, sentence) => {
    expect(() => renderChart('turn', { ...neededByTurn, ...values })).toThrow(sentence);
  });
});

describe.each<ChartName>(['sft', 'turn'])('the chart %s', (chart) => {
  interface Schema {
    readonly properties?: Record<string, Schema>;
    readonly description?: string;
  }

  it('has defaults that fit its schema, and refuses what it does not know', () => {
    expect(findSchemaErrors(chart, readDefaults(chart))).toEqual([]);
    expect(findSchemaErrors(chart, { replicaCount: 'many' })).toEqual(['/replicaCount must be integer']);
    expect(findSchemaErrors(chart, { unheardOf: 1 })).toHaveLength(1);
  });

  it('has every value of its schema, with default and meaning, in the documentation', () => {
    const rows: string[] = [];
    const walk = (schema: Schema, path: string[], value: unknown) => {
      if (schema.description !== undefined)
        rows.push(`| \`${path.join('.')}\` | \`${JSON.stringify(value)}\` | ${schema.description} |`);
      for (const [key, below] of Object.entries(schema.properties ?? {}))
        if (key !== 'global') walk(below, [...path, key], (value as Record<string, unknown>)[key]);
    };
    walk(JSON.parse(readChartFile(chart, 'values.schema.json')), [], readDefaults(chart));
    const page = readFileSync(`${root}docs/KUBERNETES.md`, 'utf8').split(
      `## Values of \`charts/${chart}\``,
    )[1]!;
    const table = page
      .split('\n## ')[0]!
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(table.sort()).toEqual(rows.sort());
  });

  it('shows only metrics that are documented on its dashboard', () => {
    const documented = readFileSync(`${root}docs/METRICS.md`, 'utf8');
    const dashboard = readChartFile(chart, `dashboards/${chart}.json`);
    const shown = dashboard.match(/\b(?:conclave_(?:sft|turn|forwarder|relay)|sft|turn_total)_[a-z_0-9]+/g)!;
    for (const metric of shown) {
      const dropped = /^conclave_(forwarder|relay)_dropped_(.+)_total$/.exec(metric);
      expect(documented).toContain(`\`${dropped ? dropped[2] : metric.replace(/_bucket$/, '')}\``);
    }
    expect(shown.length).toBeGreaterThan(8);
  });
});
