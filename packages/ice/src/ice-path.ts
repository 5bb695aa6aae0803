/** One way between us and the peer: what media, DTLS and checks are sent on and received from. */
export interface IcePath {
  /** Our UDP socket; for TCP the accepted connection's id. */
  readonly socket: number;
  /** The remote IP address in canonical text; an IPv4 address is never in its IPv6-mapped form. */
  readonly address: string;
  /** The remote port, 1..65535. */
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
}

/** Text that is equal for equal paths, for use as a key. */
export function pathKey(path: IcePath): string {
  return `${path.transport}/${path.socket}/${path.address}/${path.port}`;
}

/** Whether both are the same path. */
export function samePath(a: IcePath, b: IcePath): boolean {
  return a.socket === b.socket && a.port === b.port && a.transport === b.transport && a.address === b.address;
}
