import { X509Certificate } from 'node:crypto';
import { canonicalIp } from '@conclave/bytes';

/** Where another server's part of a conference is to be reached. */
export interface LinkTuple {
  /** Canonical text. */
  readonly address: string;
  readonly port: number;
}

/** Longest host name (RFC 1035 §2.3.4). */
const MAX_HOST_LENGTH = 253;

/** Reads `address:port`, with IPv6 addresses in brackets; undefined for anything else. Names are not resolved. */
export function parseLinkTuple(text: string): LinkTuple | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})$/.exec(text);
  const address = match === null ? undefined : canonicalIp(match[1] ?? match[2] ?? '');
  const port = Number(match?.[3]);
  return address !== undefined && port > 0 && port < 65_536 ? { address, port } : undefined;
}

/** The tuple as it is written. */
export function formatLinkTuple({ address, port }: LinkTuple): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** The host of a server's URL in lower case; undefined for what is no HTTP URL with a name. Nothing is fetched. */
export function hostOfUrl(url: string): string | undefined {
  try {
    const { protocol, hostname } = new URL(url);
    const isWeb = protocol === 'https:' || protocol === 'http:';
    return isWeb && hostname.length > 0 && hostname.length <= MAX_HOST_LENGTH ? hostname : undefined;
  } catch {
    return undefined;
  }
}

/**
 * With which other servers this one shares conferences: those of listed domains, as far as their certificates say so.
 * A domain covers the names below it.
 */
export class FederationPartners {
  readonly #domains: readonly string[];

  /** @param domains such as `example.org`, in lower case */
  constructor(domains: readonly string[]) {
    this.#domains = domains;
  }

  /** Whether conferences may be shared with a server of this name. */
  permits(host: string): boolean {
    return this.#domains.some((domain) => host === domain || host.endsWith(`.${domain}`));
  }

  /**
   * What is wrong with the server that has this certificate (DER, of an authority, key proved); undefined when it is
   * for the host and that may be a partner.
   */
  objectionToHost(certificateDer: Uint8Array, host: string): string | undefined {
    if (!this.permits(host)) return 'its domain is not on the list of partners';
    const fits = new X509Certificate(certificateDer).checkHost(host, { subject: 'never' }) !== undefined;
    return fits ? undefined : 'its certificate is for another host';
  }

  /** The same for a server that connected, which has not said yet who it is: some name of its has to be permitted. */
  objectionToAny(certificateDer: Uint8Array): string | undefined {
    const names = new X509Certificate(certificateDer).subjectAltName?.split(', ') ?? [];
    for (const name of names) {
      const host = /^DNS:(?:\*\.)?([a-z0-9.-]+)$/i.exec(name)?.[1]?.toLowerCase();
      if (host !== undefined && this.permits(host)) return undefined;
    }
    return 'its certificate is for no domain on the list of partners';
  }
}
