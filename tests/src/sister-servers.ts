import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '@conclave/testkit';
import { freePort, type SftProcess, startSftProcess } from './sft-process.ts';

/** One place of an installation: its ports and files stay when its process is replaced. */
interface Place {
  readonly url: string;
  readonly ports: { readonly signalling: number; readonly metrics: number; readonly media: number };
  readonly federationPort: number;
  process: SftProcess | undefined;
}

/** Several servers of one installation, each of which knows the others and can be started anew under its old URL. */
export class SisterServers {
  readonly #folder: string;
  readonly #places: Place[] = [];
  readonly #flags: readonly string[];

  private constructor(folder: string, flags: readonly string[]) {
    this.#folder = folder;
    this.#flags = flags;
  }

  /** Starts `count` servers. */
  static async start(count: number, flags: readonly string[] = []): Promise<SisterServers> {
    const servers = new SisterServers(await mkdtemp(join(tmpdir(), 'conclave-sisters-')), flags);
    const authority = await CertificateAuthority.create('sisters of tests');
    const issued = await authority.issue(['localhost']);
    await writeFile(servers.#at('cert'), issued.certificatePem);
    await writeFile(servers.#at('key'), issued.keyPem, { mode: 0o600 });
    await writeFile(servers.#at('authority'), authority.certificatePem);
    await writeFile(servers.#at('secret'), 'a-secret-of-tests', { mode: 0o600 });
    for (let i = 0; i < count; i++) {
      const ports = { signalling: await freePort(), metrics: await freePort(), media: await freePort() };
      const federationPort = await freePort();
      const url = `http://localhost:${ports.signalling}`;
      servers.#places.push({ url, ports, federationPort, process: undefined });
    }
    await Promise.all(servers.#places.map((_, i) => servers.startOne(i)));
    return servers;
  }

  /** URLs by which clients know the servers. */
  get urls(): string[] {
    return this.#places.map(({ url }) => url);
  }

  /** The process that runs at that place now. */
  at(index: number): SftProcess {
    const { process } = this.#places[index]!;
    if (process === undefined) throw new Error('no server runs there');
    return process;
  }

  /** Starts a server at that place, where none runs. */
  async startOne(index: number): Promise<void> {
    const place = this.#places[index]!;
    place.process = await startSftProcess({
      ownUrl: place.url,
      ports: place.ports,
      flags: [
        ...['--federation-port', String(place.federationPort)],
        ...['--federation-cert', this.#at('cert'), '--federation-key', this.#at('key')],
        ...['--federation-authority', this.#at('authority')],
        ...['--sister', this.urls.join(','), '--sister-secret-file', this.#at('secret')],
        ...this.#flags,
      ],
    });
  }

  /** Tells the server to end and starts a new one in its place as soon as it has; its exit code. */
  async replace(index: number): Promise<number | null> {
    const code = await this.at(index).stop('SIGTERM');
    await this.startOne(index);
    return code;
  }

  async close(): Promise<void> {
    for (const { process } of this.#places) await process?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #at(name: string): string {
    return join(this.#folder, `${name}.pem`);
  }
}
