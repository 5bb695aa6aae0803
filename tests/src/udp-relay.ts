import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** A stretch of network between a server's UDP port and whoever sends to it, which can be cut. */
export class UdpRelay {
  readonly port: number;
  /** Whether datagrams get through. */
  open = true;
  /** What passed, each way. */
  readonly passed: { readonly toServer: boolean; readonly bytes: Buffer }[] = [];
  readonly #front: Socket;
  readonly #serverPort: number;
  readonly #backs = new Map<number, Socket>();

  private constructor(front: Socket, serverPort: number) {
    this.#front = front;
    this.port = front.address().port;
    this.#serverPort = serverPort;
    front.on('message', (bytes, from) => {
      if (!this.open) return;
      this.passed.push({ toServer: true, bytes });
      this.#backFor(from.port).send(bytes, this.#serverPort, '127.0.0.1');
    });
  }

  /** A relay on the loopback interface to this port of it. */
  static async create(serverPort: number): Promise<UdpRelay> {
    const front = createSocket('udp4');
    front.bind(0, '127.0.0.1');
    await once(front, 'listening');
    return new UdpRelay(front, serverPort);
  }

  close(): void {
    this.#front.close();
    for (const back of this.#backs.values()) back.close();
  }

  #backFor(clientPort: number): Socket {
    const known = this.#backs.get(clientPort);
    if (known) return known;
    const back = createSocket('udp4');
    back.on('message', (bytes) => {
      if (!this.open) return;
      this.passed.push({ toServer: false, bytes });
      this.#front.send(bytes, clientPort, '127.0.0.1');
    });
    this.#backs.set(clientPort, back);
    return back;
  }
}
