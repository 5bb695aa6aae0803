import { type SftConfig, selectMediaAddresses } from '@conclave/app-sft';
import { canonicalIp } from '@conclave/bytes';
import type { Finding } from './doctor-finding.ts';
import type { WantedPort } from './port-check.ts';
import type { UpMachine, UpPlan } from './up-plan.ts';

/** What the checks of reach ask the network; tests answer instead. */
export interface NetworkFacts {
  /** Addresses of a name. Rejects with the resolver's `code` when there are none. */
  readonly lookUp: (name: string) => Promise<readonly string[]>;
  /** Text at a URL. Rejects with the system's or TLS's `code`. `trustAll` takes any certificate. */
  readonly fetchText: (url: string, options: { readonly trustAll: boolean }) => Promise<string>;
  /** As {@link tryPort}. */
  readonly tryPort: (wanted: WantedPort) => Promise<string | undefined>;
}

/** Whether the server of this plan answers on this machine. */
export async function isRunning(plan: UpPlan, network: NetworkFacts): Promise<boolean> {
  const secure = plan.certificate.from === 'files' || plan.certificate.from === 'self';
  const any = plan.listenAddress === '::' || plan.listenAddress === '0.0.0.0';
  const host = any
    ? '127.0.0.1'
    : plan.listenAddress.includes(':')
      ? `[${plan.listenAddress}]`
      : plan.listenAddress;
  const url = `${secure ? 'https' : 'http'}://${host}:${plan.port}/sft/url`;
  try {
    return (await network.fetchText(url, { trustAll: true })).trim() === plan.urls[0];
  } catch {
    return false;
  }
}

/** Checks that the ports of a server that does not run yet can be had. */
export async function checkPorts(
  wanted: readonly (WantedPort & { readonly option: string })[],
  network: NetworkFacts,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const port of wanted) {
    const reason = await network.tryPort(port);
    if (reason === undefined) continue;
    const which = `${port.transport.toUpperCase()} port ${port.port} on ${port.address}`;
    if (reason === 'EADDRINUSE')
      findings.push({
        id: 'port-taken',
        severity: 'problem',
        text: `Another program has ${which}.`,
        remedy: `Stop it (\`ss -lptun\` shows it), or choose another port with ${port.option}.`,
      });
    else if (reason === 'EACCES')
      findings.push({
        id: 'port-right',
        severity: 'warning',
        text: `This user may not listen on ${which}.`,
        remedy:
          'Run the server by the systemd unit of `conclave init`, which has that right, or choose a port above 1023.',
      });
    else
      findings.push({
        id: 'port-unusable',
        severity: 'problem',
        text: `The server could not listen on ${which} (${reason}).`,
        remedy: 'Check that the address is one of this machine.',
      });
  }
  if (findings.length > 0) return findings;
  return [{ id: 'ports', severity: 'well', text: `All ${wanted.length} ports can be had.` }];
}

/** Checks that the domain leads to this machine. */
export async function checkDomain(
  domain: string,
  publicAddresses: readonly string[],
  machine: UpMachine,
  network: NetworkFacts,
): Promise<Finding> {
  let found: readonly string[];
  try {
    found = await network.lookUp(domain);
  } catch (error) {
    return {
      id: 'domain-unknown',
      severity: 'problem',
      text: `The name ${domain} has no address (${String((error as { code?: unknown }).code ?? 'unknown cause')}).`,
      remedy: 'Make an A record (and AAAA, with IPv6) that leads to the public address of this machine.',
    };
  }
  const own = new Set(
    [
      ...publicAddresses,
      ...Object.values(machine.interfaces).flatMap((infos) => infos?.map(({ address }) => address) ?? []),
    ].map((address) => canonicalIp(address)),
  );
  const foreign = found.filter((address) => !own.has(canonicalIp(address)));
  if (foreign.length === 0)
    return { id: 'domain', severity: 'well', text: `The name ${domain} leads to this machine.` };
  return {
    id: 'domain-elsewhere',
    severity: 'warning',
    text: `The name ${domain} leads to ${foreign.join(' and ')}, which is no address of this machine.`,
    remedy:
      'Correct the DNS record; or if address translation hides this machine, give that address with --public-address.',
  };
}

/** Checks that media is announced at addresses that others can reach. */
export function checkMediaAddresses(config: SftConfig, machine: UpMachine): Finding {
  const media = selectMediaAddresses(machine.interfaces, config.interfaces, config.publicAddresses);
  if (media.length === 0)
    return {
      id: 'media-nowhere',
      severity: 'problem',
      text: 'No network interface has an address for media.',
      remedy: 'Name one with --interface.',
    };
  const shown = media.map(({ advertised }) => advertised);
  if (shown.some((address) => !isPrivate(address)))
    return { id: 'media', severity: 'well', text: `Media is announced at ${shown.join(' and ')}.` };
  return {
    id: 'media-private',
    severity: 'warning',
    text: `Media is announced at ${shown.join(' and ')} alone, which people outside this network cannot reach.`,
    remedy: 'Give the public address with --public-address, if people outside are to call.',
  };
}

/** Checks that a running server is reached at the URL that people are given. */
export async function checkUrl(plan: UpPlan, network: NetworkFacts): Promise<Finding> {
  const url = plan.urls[0]!;
  try {
    const text = await network.fetchText(`${url}/sft/url`, { trustAll: plan.certificate.from === 'self' });
    if (text.trim() === url) return { id: 'url', severity: 'well', text: `The server answers at ${url}.` };
    return {
      id: 'url-foreign',
      severity: 'problem',
      text: `Something else than this server answers at ${url}.`,
      remedy: 'Check where the DNS record leads, and what the proxy in front passes on.',
    };
  } catch (error) {
    const code = String((error as { code?: unknown }).code ?? 'unknown cause');
    const tls = /CERT|SSL|TLS|SIGNATURE|EPROTO/.test(code);
    return {
      id: tls ? 'url-certificate' : 'url-unreachable',
      severity: 'problem',
      text: `The server cannot be reached at ${url} (${code}).`,
      remedy: tls
        ? 'The certificate is not one that clients take: check its name, its dates and its intermediates.'
        : 'Check the DNS record, the firewall, address translation and the proxy in front.',
    };
  }
}

function isPrivate(address: string): boolean {
  return /^(10\.|127\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|::1$|f[cd]|fe[89ab])/.test(
    address,
  );
}
