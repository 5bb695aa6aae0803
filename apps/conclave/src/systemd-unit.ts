/** What a unit is made of. Paths are absolute. */
export interface SystemdUnitOptions {
  readonly node: string;
  readonly program: string;
  readonly configPath: string;
  /** Certificate and key that only root may read: systemd hands copies to the server. */
  readonly certificatePath?: string;
  readonly keyPath?: string;
}

/**
 * A systemd unit that runs `conclave up` as a user of its own without rights but that of low ports. Stopping it lets
 * running calls go on for up to an hour.
 */
export function renderSystemdUnit(options: SystemdUnitOptions): string {
  const { node, program, configPath, certificatePath, keyPath } = options;
  const withFiles = certificatePath !== undefined && keyPath !== undefined;
  const words = [node, program, 'up', '--config', configPath, '--state', '/var/lib/conclave'].map(quoted);
  // Only systemd itself may expand these.
  if (withFiles) words.push('--tls-cert', '%d/certificate.pem', '--tls-key', '%d/key.pem');
  return [
    '[Unit]',
    'Description=Conclave: encrypted meetings',
    'After=network-online.target',
    'Wants=network-online.target',
    '',
    '[Service]',
    `ExecStart=${words.join(' ')}`,
    'ExecReload=kill -HUP $MAINPID',
    'Restart=on-failure',
    '# Running calls may end by themselves after a stop; what still runs after this time is cut.',
    'TimeoutStopSec=1h',
    'KillMode=mixed',
    'DynamicUser=yes',
    'StateDirectory=conclave',
    'StateDirectoryMode=0700',
    ...(withFiles
      ? [
          '# Copies made at the start: restart the service when the certificate was renewed.',
          `LoadCredential=certificate.pem:${escaped(certificatePath)}`,
          `LoadCredential=key.pem:${escaped(keyPath)}`,
        ]
      : []),
    'AmbientCapabilities=CAP_NET_BIND_SERVICE',
    'CapabilityBoundingSet=CAP_NET_BIND_SERVICE',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'ProtectKernelTunables=yes',
    'ProtectKernelModules=yes',
    'ProtectControlGroups=yes',
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
    'RestrictNamespaces=yes',
    'LockPersonality=yes',
    'LimitNOFILE=65536',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
}

/** A word of a command line in systemd's quoting (systemd.service(5)). */
function quoted(word: string): string {
  const text = escaped(word).replaceAll('$', '$$$$');
  return /^[A-Za-z0-9_./:@%$-]+$/.test(text)
    ? text
    : `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** `%` begins a specifier in every setting. */
function escaped(text: string): string {
  return text.replaceAll('%', '%%');
}
