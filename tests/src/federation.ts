import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority, type CertificateWishes } from '@conclave/testkit';
import { freePort, type SftProcess, startSftProcess } from './sft-process.ts';

/** Servers of several domains that trust one authority, each with files of its own in a folder that goes with them. */
export class FederatedServers {
  readonly authority: CertificateAuthority;
  readonly servers: SftProcess[] = [];
  readonly #folder: string;

  private constructor(authority: CertificateAuthority, folder: string) {
    this.authority = authority;
    this.#folder = folder;
  }

  static async create(): Promise<FederatedServers> {
    const authority = await CertificateAuthority.create('federation of tests');
    return new FederatedServers(authority, await mkdtemp(join(tmpdir(), 'conclave-federation-')));
  }

  /** Starts the server of a domain, which shares conferences with those domains. */
  async start(domain: string, partners: readonly string[], wishes: ServerWishes = {}): Promise<SftProcess> {
    const flags = await this.flagsFor(domain, partners, wishes);
    const server = await startSftProcess({ ownUrl: `https://sft.${domain}`, flags });
    this.servers.push(server);
    return server;
  }

  /** The flags that make a server one of a federation. */
  async flagsFor(domain: string, partners: readonly string[], wishes: ServerWishes = {}): Promise<string[]> {
    const authority = wishes.authority ?? this.authority;
    const issued = await authority.issue([wishes.certifiedName ?? `sft.${domain}`], wishes);
    const at = (name: string) => join(this.#folder, `${domain}-${this.servers.length}-${name}.pem`);
    await writeFile(at('cert'), issued.certificatePem);
    await writeFile(at('key'), issued.keyPem, { mode: 0o600 });
    await writeFile(at('authority'), this.authority.certificatePem);
    return [
      '--federation-port',
      String(wishes.port ?? (await freePort())),
      '--federation-cert',
      at('cert'),
      '--federation-key',
      at('key'),
      '--federation-authority',
      at('authority'),
      '--federation-domain',
      partners.join(','),
      '--federation-allow-address',
      wishes.allowedAddresses ?? '127.0.0.0/8',
    ];
  }

  async close(): Promise<void> {
    for (const server of this.servers) await server.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** How a server is unlike the others. */
export interface ServerWishes extends CertificateWishes {
  /** Who issues its certificate. Default: the authority of all. */
  readonly authority?: CertificateAuthority;
  /** The name in its certificate. Default: the host of its URL. */
  readonly certifiedName?: string;
  readonly port?: number;
  readonly allowedAddresses?: string;
}
