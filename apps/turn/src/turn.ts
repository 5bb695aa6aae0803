import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { performance } from 'node:perf_hooks';
import {
  createRelayPlane,
  type RelayCertificate,
  type RelayEvent,
  type RelayPlane,
  type RelayPlaneOptions,
} from '@conclave/forwarder';
import {
  ConclaveError,
  causeOf,
  createMetricsServer,
  FileWatcher,
  readTlsFiles,
  type TlsFiles,
} from '@conclave/service';
import { MAX_CHANNEL, MAX_OLD_CHANNEL, TurnServer } from '@conclave/turn';
import { CredentialFiles } from './credential-files.ts';
import { peerPolicies } from './peer-policies.ts';
import { RelayControl } from './relay-control.ts';
import type { RunningTurn, TurnEnvironment } from './running-turn.ts';
import { expandListeners, localAddresses, type RelayBinding, relayBindings } from './turn-addresses.ts';
import type { TurnConfig, TurnListener } from './turn-config.ts';
import { turnHashes } from './turn-hashes.ts';
import { TurnMetrics } from './turn-metrics.ts';

/** How many answers an unauthenticated address may have at once, in seconds of its rate. */
const ANSWER_BURST_SECONDS = 3;

/** Starts a TURN server: its sockets first, then the metrics. */
export async function startTurn(config: TurnConfig, environment: TurnEnvironment): Promise<RunningTurn> {
  const { log, version } = environment;
  const now = (): number => performance.now();
  const local = localAddresses(networkInterfaces());
  const listeners = expandListeners(config.listeners, local);
  const relays = relayBindings(config, listeners);
  const credentials = new CredentialFiles(config);

  // Events come from the event loop, so none is before all below was made.
  let deliver: (events: readonly RelayEvent[]) => void = () => undefined;
  const plane = openPlane(config, environment, {
    listeners,
    relayAddresses: relays.map(({ address }) => ({
      address,
      firstPort: config.relayPorts.first,
      lastPort: config.relayPorts.last,
      ...(config.sharedRelayPort === undefined ? {} : { sharedPort: config.sharedRelayPort }),
    })),
    ...(config.tls ? { certificate: readCertificate(config.tls) } : {}),
    threads: config.workers,
    ...(config.peerPorts ? { peerPorts: config.peerPorts } : {}),
    onEvents: (events) => deliver(events),
    maxConnections: config.limits.connections,
    maxConnectionsPerAddress: config.limits.connectionsPerAddress,
  });

  const server = new TurnServer({
    realm: config.realm,
    users: credentials.users,
    hashes: turnHashes,
    random: (size) => randomBytes(size),
    unixTimeMs: () => Date.now(),
    ...peerPolicies(config, plane.listeners, [...local, ...ownAddresses(listeners, relays)]),
    relayFamilies: relays.map(({ family }) => family),
    dontFragment: true,
    tcpRelays: config.tcpRelays,
    limits: {
      maxLifetimeMs: config.maxLifetimeMs,
      maxChannelNumber: config.strictChannels ? MAX_CHANNEL : MAX_OLD_CHANNEL,
      maxBytesPerSecond: config.limits.bytesPerSecond,
      answersPerSecond: config.limits.answersPerSecond,
      answerBurst: ANSWER_BURST_SECONDS * config.limits.answersPerSecond,
    },
    quota: {
      perUser: config.limits.allocationsPerUser,
      perSource: config.limits.allocationsPerAddress,
      total: config.limits.allocations,
    },
  });
  const control = new RelayControl({
    server,
    plane,
    now,
    advertise: (address) => relays.find((r) => r.address === address)?.advertised ?? address,
    onRelayFailed: (reason) => {
      metrics.relayFailed(reason);
      log.debug({ reason }, 'a relay could not be opened');
    },
    onFault: (err) => {
      metrics.faulted();
      log.error({ err }, 'a request or an event met a defect');
    },
  });
  let draining = false;
  const metrics = new TurnMetrics({
    version,
    ofProcess: config.metrics !== undefined,
    readStats: () => server.stats(),
    readTraffic: () => control.readTraffic(),
    readCounters: () => plane.readCounters(),
    isDraining: () => draining,
  });
  deliver = (events) => control.handleEvents(events);

  const reload = (): void => {
    const certificate = config.tls && readCertificate(config.tls);
    credentials.reload();
    if (certificate) plane.setCertificate(certificate);
    log.info('certificate, secrets and users were read again');
  };
  const watcher = new FileWatcher({
    paths: [...credentials.paths, ...(config.tls ? [config.tls.certificatePath, config.tls.keyPath] : [])],
    intervalMs: config.fileCheckIntervalMs,
    onChange: reload,
    onError: (err) => log.error({ err }, 'a changed file cannot be used, the former settings stay'),
  });
  const metricsServer = createMetricsServer({
    render: () => metrics.render(),
    isHealthy: () => true,
    isReady: () => !draining,
    onFailed: (err) => log.error({ err }, 'the metrics cannot be read'),
  });
  const close = async (): Promise<void> => {
    watcher.close();
    control.close();
    plane.close();
    await metricsServer.close();
  };
  let closing: Promise<void> | undefined;
  try {
    const metricsAddress =
      config.metrics && (await metricsServer.listen(config.metrics.address, config.metrics.port));
    return {
      listeners: plane.listeners,
      metrics: metricsAddress,
      renderMetrics: async () => (await metrics.render()).body,
      drain: () => {
        draining = true;
        return control.drain(config.alternates, config.drainDeadlineMs);
      },
      reload: async () => reload(),
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function openPlane(config: TurnConfig, environment: TurnEnvironment, options: RelayPlaneOptions): RelayPlane {
  if (options.listeners.length === 0) {
    throw new ConclaveError('CONCLAVE_LISTEN_FAILED', 'this machine has no address of the kind to listen on');
  }
  try {
    return (environment.createRelayPlane ?? createRelayPlane)(options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : causeOf(cause);
    const what = config.listeners.length === 1 ? 'listener' : 'listeners';
    throw new ConclaveError('CONCLAVE_LISTEN_FAILED', `cannot open the ${what}: ${reason}`, { cause });
  }
}

function readCertificate(files: TlsFiles): RelayCertificate {
  const { cert, key } = readTlsFiles(files);
  return { certificatePem: cert.toString(), privateKeyPem: key.toString() };
}

function ownAddresses(listeners: readonly TurnListener[], relays: readonly RelayBinding[]): string[] {
  return [
    ...listeners.map(({ address }) => address),
    ...relays.flatMap(({ address, advertised }) => [address, advertised]),
  ];
}
