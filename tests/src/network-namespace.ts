import { execFile } from 'node:child_process';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Whether this process may make network namespaces. */
export const mayMakeNamespaces: boolean = process.getuid?.() === 0;

let counter = 0;

/** A host of its own: a network namespace with its interfaces, routes and packet filter. */
export class TestHost {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Command words that run what follows on this host. */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  async run(...command: string[]): Promise<string> {
    const [program, ...rest] = [...this.prefix, ...command];
    return (await run(program!, rest)).stdout;
  }

  /** Loads packet filter rules in nft's language. */
  async filter(...statements: string[]): Promise<void> {
    await this.run('nft', statements.join('; '));
  }

  /**
   * Drops UDP that arrives with the given probability in percent, spread at random. For loss both ways both hosts have to:
   * what is dropped on its way out is told to the sender, which would send it once more.
   */
  async loseUdp(percent: number): Promise<void> {
    const rule =
      percent >= 100
        ? 'meta l4proto udp drop'
        : `meta l4proto udp numgen random mod 1000 < ${percent * 10} drop`;
    await this.filter(
      'add table inet loss',
      'add chain inet loss in { type filter hook input priority 0; }',
      `add rule inet loss in ${rule}`,
    );
  }

  /** Ends what {@link TestHost.loseUdp} began. */
  async loseNothing(): Promise<void> {
    await this.filter('delete table inet loss');
  }

  /** A file that, run as a program, runs the given program on this host. */
  async wrapper(program: string): Promise<string> {
    const file = join(await mkdtemp(join(tmpdir(), 'conclave-host-')), 'run');
    await writeFile(file, `#!/bin/sh\nexec ${this.prefix.join(' ')} ${program} "$@"\n`);
    await chmod(file, 0o755);
    return file;
  }
}

/** Hosts joined by cables, all gone after {@link TestNetwork.close}. */
export class TestNetwork {
  readonly #hosts: TestHost[] = [];

  async addHost(label: string): Promise<TestHost> {
    const host = new TestHost(`cv${process.pid % 100000}-${counter++}-${label}`);
    await run('ip', ['netns', 'add', host.name]);
    this.#hosts.push(host);
    await host.run('ip', 'link', 'set', 'lo', 'up');
    return host;
  }

  /** Connects two hosts; each end gets the addresses given, with their prefix lengths. */
  async connect(
    a: TestHost,
    aAddresses: readonly string[],
    b: TestHost,
    bAddresses: readonly string[],
  ): Promise<{ a: string; b: string }> {
    const names = { a: `e${counter++}`, b: `e${counter++}` };
    await run('ip', [
      'link',
      'add',
      names.a,
      'netns',
      a.name,
      'type',
      'veth',
      'peer',
      'name',
      names.b,
      'netns',
      b.name,
    ]);
    for (const [host, name, addresses] of [
      [a, names.a, aAddresses],
      [b, names.b, bAddresses],
    ] as const) {
      for (const address of addresses) {
        const nodad = address.includes(':') ? ['nodad'] : [];
        await host.run('ip', 'addr', 'add', address, 'dev', name, ...nodad);
      }
      await host.run('ip', 'link', 'set', name, 'up');
    }
    return names;
  }

  async close(): Promise<void> {
    for (const host of this.#hosts) await run('ip', ['netns', 'del', host.name]).catch(() => undefined);
  }
}
