import { networkInterfaces } from 'node:os';
import { performance } from 'node:perf_hooks';
import { loggable } from '@conclave/econn';
import {
  type BoundSocket,
  createDtlsSession,
  createForwarder,
  type Forwarder,
  type ForwarderEvent,
  generateDtlsIdentity,
  type SocketRequest,
  SrtpProfile,
} from '@conclave/forwarder';
import {
  ConclaveError,
  causeOf,
  createMetricsServer,
  type HttpServer,
  readSecretFile,
} from '@conclave/service';
import { StunRouter } from '@conclave/transport';
import { createAdminServer } from './admin-server.ts';
import { CallReports } from './call-report.ts';
import { ConferenceRegistry, type FederationHost } from './conference-registry.ts';
import { Federation } from './federation.ts';
import { loadFederationIdentity } from './federation-identity.ts';
import { FederationPartners, hostOfUrl } from './federation-partner.ts';
import type { Leg } from './leg.ts';
import { LoadMeter } from './load-meter.ts';
import { type MediaAddress, selectMediaAddresses } from './network-interfaces.ts';
import type { RunningSft, SftEnvironment } from './running-sft.ts';
import type { SftConfig, SrtpProfileName } from './sft-config.ts';
import { SftMetrics } from './sft-metrics.ts';
import { startSignallingServer } from './signalling-server.ts';
import type { ServerLoad } from './sister-choice.ts';
import { createSisterhood } from './sisterhood.ts';

const srtpProfileOf: Readonly<Record<SrtpProfileName, SrtpProfile>> = {
  'aes-128-gcm': SrtpProfile.aeadAes128Gcm,
  'aes-256-gcm': SrtpProfile.aeadAes256Gcm,
  'aes-128-cm-sha1-80': SrtpProfile.aes128CmSha1_80,
};

/** Starts an SFT: media sockets first, then signalling, so that nobody is invited before there is room. */
export async function startSft(config: SftConfig, environment: SftEnvironment): Promise<RunningSft> {
  const { log, version } = environment;
  const startedAt = performance.now();
  const now = (): number => performance.now();

  const addresses = mediaAddressesOf(config);
  let deliver: (events: readonly ForwarderEvent[]) => void = () => undefined;
  const forwarder = openForwarder(config, addresses, (events) => deliver(events));
  let becameIdle: () => void = () => undefined;
  const idle = new Promise<void>((resolve) => {
    becameIdle = resolve;
  });

  let metrics: SftMetrics | undefined;
  let federation: Federation | undefined;
  const federateBy = (settings: NonNullable<SftConfig['federation']>) => (host: FederationHost) => {
    federation = new Federation({
      ...host,
      forwarder,
      now,
      sockets: advertise(
        forwarder.sockets.filter((socket) => isLinkSocket(socket, config)),
        addresses,
      ),
      url: config.url,
      identity: loadFederationIdentity(settings.files),
      createDtlsSession,
      srtpProfiles: config.srtpProfiles.map((name) => srtpProfileOf[name]),
      partners: new FederationPartners([
        ...settings.domains,
        ...(config.sisters?.urls ?? []).flatMap((url) => hostOfUrl(url) ?? []),
      ]),
      allowedAddresses: settings.allowedAddresses,
      onLink: (what, path, reason) => log.info({ what, port: path.port, reason }, 'link to another server'),
    });
    return federation;
  };
  const registry = new ConferenceRegistry({
    surroundings: {
      forwarder,
      now,
      router: new StunRouter<Leg>(),
      identity: generateDtlsIdentity(),
      createDtlsSession,
      srtpProfiles: config.srtpProfiles.map((name) => srtpProfileOf[name]),
      socketsOfThread: socketsByThread(forwarder, addresses, config),
      tool: `sftd 5.0.${version}`,
    },
    url: config.url,
    ...(config.federation ? { federate: federateBy(config.federation) } : {}),
    onAnchorRefused: (conversation, reason) =>
      log.warn(
        { conversation: loggable(conversation), reason },
        'a conference cannot be joined to its anchor',
      ),
    timings: {
      keyFrameIntervalMs: config.keyFrameIntervalMs,
      setupMs: config.timings.answerTimeoutMs,
      updateMs: config.timings.updateAnswerTimeoutMs,
    },
    onJoined: (durationMs) => metrics?.joined(durationMs),
    onLegClosed: (conversation, reason) =>
      log.debug({ conversation: loggable(conversation), reason }, 'a leg closed'),
    onStunRefused: (reason) => metrics?.stunRefused(reason),
    onFault: (conversation, err) => {
      metrics?.faulted();
      log.error(
        { err, conversation: conversation && loggable(conversation) },
        'a conference was ended by a defect',
      );
    },
    onQuality: (figures) => metrics?.quality(figures),
    onIdle: () => becameIdle(),
  });
  deliver = (events) => registry.handleForwarderEvents(events);
  metrics = new SftMetrics({
    version,
    readUsage: () => registry.usage,
    readLinks: () => registry.links,
    readCounters: () => forwarder.readCounters(),
    uptimeSeconds: () => (now() - startedAt) / 1000,
  });

  const rendered = metrics;
  const load = new LoadMeter({
    now,
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    // The forwarding threads, and the one that decides.
    threads: config.workers + 1,
  });
  const metricsServer = createMetricsServer({
    render: async () => {
      const { contentType, body } = await rendered.render();
      return { contentType, body: `${body}${(await environment.furtherMetrics?.()) ?? ''}` };
    },
    isHealthy: () => true,
    isReady: () => !registry.draining,
    readLoad: (): ServerLoad => ({
      url: config.url,
      participants: registry.usage.participants,
      maxParticipants: config.limits.maxParticipants,
      busyShare: load.read(),
      draining: registry.draining,
    }),
    onFailed: (err) => log.error({ err }, 'the metrics cannot be read'),
  });
  let adminServer: HttpServer | undefined;
  const sisterhood = config.sisters && createSisterhood(config, config.sisters, registry, environment);
  try {
    const metricsAddress = await metricsServer.listen(config.metrics.address, config.metrics.port);
    let adminAddress: RunningSft['admin'];
    if (config.admin) {
      adminServer = createAdminServer({
        reports: new CallReports({
          now,
          sessions: () => registry.sessions,
          readIngressStats: () => forwarder.readIngressStats(),
          readEgressStats: () => forwarder.readEgressStats(),
        }),
        token: config.admin.tokenFile === undefined ? undefined : readSecretFile(config.admin.tokenFile),
        onFailed: (err) => log.error({ err }, 'the calls cannot be shown'),
      });
      adminAddress = await adminServer.listen(config.admin.address, config.admin.port);
    }
    const signalling = await startSignallingServer({
      ...{ config, host: registry, metrics, log },
      iceServers: environment.iceServers,
      sisters: sisterhood,
    });
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      sisterhood?.close();
      registry.close();
      await Promise.all([signalling.close(), metricsServer.close(), adminServer?.close()]);
      forwarder.close();
    };
    for (const socket of forwarder.sockets) log.debug({ ...socket }, 'media socket');
    return {
      signalling: { address: signalling.address, port: signalling.port },
      metrics: metricsAddress,
      admin: adminAddress,
      drain: () => {
        registry.drain();
        sisterhood?.handOver();
        return idle;
      },
      reload: async () => {
        if (config.federation) federation?.useIdentity(loadFederationIdentity(config.federation.files));
        sisterhood?.reload();
        await signalling.reload();
      },
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    registry.close();
    await Promise.all([metricsServer.close(), adminServer?.close()]);
    forwarder.close();
    throw error;
  }
}

function mediaAddressesOf(config: SftConfig): readonly MediaAddress[] {
  const available = networkInterfaces();
  for (const name of config.interfaces) {
    if (available[name]) continue;
    throw new ConclaveError(
      'CONCLAVE_INTERFACE_UNKNOWN',
      `there is no network interface "${name}" with an address`,
    );
  }
  const addresses = selectMediaAddresses(available, config.interfaces, config.publicAddresses);
  if (addresses.length > 0) return addresses;
  throw new ConclaveError(
    'CONCLAVE_INTERFACE_UNKNOWN',
    'no network interface has an address for media; name one with --interface (lo for this machine alone)',
  );
}

function openForwarder(
  config: SftConfig,
  addresses: readonly MediaAddress[],
  onEvents: (events: readonly ForwarderEvent[]) => void,
): Forwarder {
  const threads = Array.from({ length: config.workers }, (_, thread) =>
    addresses.flatMap(({ address }): SocketRequest[] => {
      const port = config.mediaPort === 0 ? 0 : config.mediaPort + thread;
      return [
        { address, port, transport: 'udp' },
        { address, port, transport: 'tcp' },
        ...(config.federation
          ? [{ address, port: config.federation.port + thread, transport: 'udp' as const }]
          : []),
      ];
    }),
  );
  try {
    return createForwarder({ threads, onEvents, sending: config.packetSending });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : causeOf(cause);
    throw new ConclaveError('CONCLAVE_LISTEN_FAILED', `cannot open the media sockets: ${reason}`, { cause });
  }
}

function socketsByThread(
  forwarder: Forwarder,
  addresses: readonly MediaAddress[],
  config: SftConfig,
): (BoundSocket & { readonly advertised: string })[][] {
  return Array.from({ length: config.workers }, (_, thread) =>
    advertise(
      forwarder.sockets.filter((socket) => socket.thread === thread && !isLinkSocket(socket, config)),
      addresses,
    ),
  );
}

function advertise(
  sockets: readonly BoundSocket[],
  addresses: readonly MediaAddress[],
): (BoundSocket & { readonly advertised: string })[] {
  const advertisedOf = new Map(addresses.map((a) => [a.address, a.advertised]));
  return sockets.map((socket) => ({
    ...socket,
    advertised: advertisedOf.get(socket.address) ?? socket.address,
  }));
}

/** Whether servers of other domains connect here, rather than clients. */
function isLinkSocket(socket: BoundSocket, { federation }: SftConfig): boolean {
  return (
    federation !== undefined && socket.transport === 'udp' && socket.port === federation.port + socket.thread
  );
}
