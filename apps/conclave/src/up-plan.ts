import type { networkInterfaces } from 'node:os';
import { canonicalIp } from '@conclave/bytes';
import { ConclaveError, type TlsFiles } from '@conclave/service';
import { builtPageFolder, defaultPort, defaultStateFolder, type UpOptionValues } from './up-options.ts';

/** How people reach the server: this machine alone, the local network, by a domain. */
export type UpReach = 'machine' | 'lan' | 'domain';

/** Where HTTPS comes from. `none`: plain HTTP on this machine; `proxy`: one in front of the server does it. */
export type UpCertificate =
  | { readonly from: 'none' | 'proxy' }
  | { readonly from: 'files'; readonly files: TlsFiles }
  /** Made and kept by the program, for these names. */
  | { readonly from: 'self'; readonly names: readonly string[] };

/** What `conclave up` will do, worked out from its settings and the machine. */
export interface UpPlan {
  readonly reach: UpReach;
  readonly certificate: UpCertificate;
  /** Addresses for people's browsers, the best first; without a slash at the end. */
  readonly urls: readonly string[];
  readonly listenAddress: string;
  readonly port: number;
  readonly stateFolder: string;
  readonly webFolder: string;
  /** Interfaces for media; empty for all but loopback. */
  readonly interfaces: readonly string[];
  readonly trustedProxies: readonly string[];
}

/** What a plan needs to know of the machine. */
export interface UpMachine {
  readonly interfaces: ReturnType<typeof networkInterfaces>;
  readonly hostName: string;
}

/**
 * Works out the plan. Throws {@link ConclaveError} `CONCLAVE_OPTIONS_CONFLICT` for settings that do not go together and
 * `CONCLAVE_INTERFACE_UNKNOWN` when `--lan` finds no local network.
 */
export function planUp(values: UpOptionValues, machine: UpMachine): UpPlan {
  const reach: UpReach = values.lan ? 'lan' : values.domain === undefined ? 'machine' : 'domain';
  const certificate = planCertificate(values, reach, machine);
  const secure = certificate.from === 'files' || certificate.from === 'self';
  const port = values.port === 0 ? (reach === 'domain' && secure ? 443 : defaultPort) : values.port;
  const local = reach === 'machine' || certificate.from === 'proxy';
  return {
    reach,
    certificate,
    urls: planUrls(values, reach, certificate, port, machine),
    listenAddress: values['listen-address'] ?? (local ? '127.0.0.1' : allAddresses(machine)),
    port,
    stateFolder: values.state ?? defaultStateFolder,
    webFolder: values.web ?? builtPageFolder,
    interfaces:
      values.interface.length > 0 ? values.interface : reach === 'machine' ? loopbackNames(machine) : [],
    trustedProxies:
      values['trusted-proxy'].length > 0 || certificate.from !== 'proxy'
        ? values['trusted-proxy']
        : ['127.0.0.1', '::1'],
  };
}

function planCertificate(values: UpOptionValues, reach: UpReach, machine: UpMachine): UpCertificate {
  const { 'tls-cert': certificatePath, 'tls-key': keyPath } = values;
  if ((certificatePath === undefined) !== (keyPath === undefined))
    throw conflict('--tls-cert and --tls-key have to be given together');
  if (values.lan && values.domain !== undefined)
    throw conflict(
      '--lan and --domain exclude each other: give the domain alone to serve the local network by it',
    );
  if (certificatePath !== undefined && keyPath !== undefined) {
    if (values['self-made-certificate'] || values.lan)
      throw conflict('--tls-cert has no use with --lan or --self-made-certificate');
    if (reach === 'machine')
      throw conflict('--tls-cert needs --domain, the name that the certificate is for');
    return { from: 'files', files: { certificatePath, keyPath } };
  }
  if (reach === 'lan') {
    const addresses = lanAddresses(values, machine);
    const own = [machine.hostName.toLowerCase(), 'localhost'].filter((name) => /^[a-z0-9.-]+$/.test(name));
    return { from: 'self', names: [...new Set([...addresses, ...own, '127.0.0.1'])] };
  }
  if (reach === 'domain') {
    return values['self-made-certificate']
      ? { from: 'self', names: [values.domain!.toLowerCase()] }
      : { from: 'proxy' };
  }
  if (values['self-made-certificate']) throw conflict('--self-made-certificate needs --lan or --domain');
  return { from: 'none' };
}

function planUrls(
  values: UpOptionValues,
  reach: UpReach,
  certificate: UpCertificate,
  port: number,
  machine: UpMachine,
): string[] {
  if (reach === 'machine') return [`http://localhost:${port}`];
  if (reach === 'lan')
    return lanAddresses(values, machine).map((address) => `https://${inUrl(address)}:${port}`);
  const shown = certificate.from === 'proxy' || port === 443 ? '' : `:${port}`;
  return [`https://${values.domain!.toLowerCase()}${shown}`];
}

/** Addresses that others in the local network can reach, IPv4 first, since people have to type them. */
function lanAddresses(values: UpOptionValues, machine: UpMachine): string[] {
  const listen = values['listen-address'];
  const one = listen === undefined ? undefined : canonicalIp(listen);
  if (one !== undefined && one !== '0.0.0.0' && one !== '::') return [one];
  const found: string[] = [];
  for (const [name, infos] of Object.entries(machine.interfaces)) {
    if (values.interface.length > 0 && !values.interface.includes(name)) continue;
    for (const info of infos ?? []) {
      const address = canonicalIp(info.address);
      const linkLocal = /^(169\.254\.|fe[89ab])/.test(address ?? '');
      if (address !== undefined && !info.internal && !linkLocal) found.push(address);
    }
  }
  if (found.length === 0)
    throw new ConclaveError(
      'CONCLAVE_INTERFACE_UNKNOWN',
      'this machine has no address in a local network, so --lan cannot serve one',
    );
  return found.toSorted((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
}

function allAddresses(machine: UpMachine): string {
  const sixes = Object.values(machine.interfaces).some((infos) =>
    infos?.some(({ family }) => family === 'IPv6'),
  );
  return sixes ? '::' : '0.0.0.0';
}

function loopbackNames(machine: UpMachine): string[] {
  return Object.entries(machine.interfaces)
    .filter(([, infos]) => infos?.some(({ internal }) => internal))
    .map(([name]) => name);
}

function inUrl(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function conflict(message: string): ConclaveError {
  return new ConclaveError('CONCLAVE_OPTIONS_CONFLICT', message);
}
