import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { RelayCertificate } from '../src/index.ts';
import { Inbox, LOOPBACK } from './relay-fixture.ts';

/** A self-signed certificate of the name, made by the openssl program. */
export function makeCertificate(name: string): RelayCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'relay-certificate-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  spawnSync('openssl', ['req', '-x509', ...ec, '-keyout', key, '-out', certificate, '-subj', `/CN=${name}`]);
  const pems = {
    certificatePem: readFileSync(certificate, 'utf8'),
    privateKeyPem: readFileSync(key, 'utf8'),
  };
  rmSync(folder, { recursive: true });
  return pems;
}

/** A TCP or TLS connection whose bytes are waited for. */
export class StreamEnd {
  readonly socket: Socket;
  /** When the other side has finished sending, or the connection broke. */
  readonly ended: Promise<void>;
  #bytes = new Uint8Array(0);
  readonly #arrivals = new Inbox<true>();

  constructor(socket: Socket) {
    this.socket = socket;
    this.ended = new Promise<void>((resolve) => {
      for (const event of ['end', 'close', 'error']) socket.once(event, () => resolve());
    });
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.#bytes = Uint8Array.from([...this.#bytes, ...chunk]);
      this.#arrivals.push(true);
    });
  }

  static async open(port: number, localAddress = LOOPBACK): Promise<StreamEnd> {
    const socket = connect({ port, host: LOOPBACK, localAddress, noDelay: true, allowHalfOpen: true });
    const end = new StreamEnd(socket);
    await once(socket, 'connect');
    return end;
  }

  /** Over TLS; `name` is that of the server's certificate. */
  static async openTls(port: number): Promise<{ readonly end: StreamEnd; readonly name: string }> {
    const socket = connectTls({ port, host: LOOPBACK, rejectUnauthorized: false });
    const end = new StreamEnd(socket);
    await once(socket, 'secureConnect');
    return { end, name: String(socket.getPeerCertificate().subject.CN) };
  }

  get port(): number {
    return this.socket.localPort!;
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next so many bytes. */
  async take(count: number): Promise<Uint8Array> {
    while (this.#bytes.length < count) await this.#arrivals.next(`${count} bytes`);
    const taken = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.slice(count);
    return taken;
  }

  close(): void {
    this.socket.destroy();
  }
}
