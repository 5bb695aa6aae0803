import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { eventually } from './call-page.ts';
import type { SftProcess } from './sft-process.ts';

/** Environment for a Node process that is to be inspected: on any free port, once it is asked to by SIGUSR1. */
export const INSPECTABLE = '--inspect-port=127.0.0.1:0';

const SMALL_FRAME = 126;

/**
 * Node's inspector in a running process, for the one thing no other interface offers: to have its garbage collected now,
 * so that what is held can be told from what merely has not been swept yet. The process needs {@link INSPECTABLE}.
 */
export class NodeInspector {
  readonly #socket: Socket;
  #buffer: Buffer = Buffer.alloc(0);
  #id = 0;

  /** Over a connection that is not upgraded yet; see {@link NodeInspector.open}. */
  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Starts the inspector in the process and connects to it. */
  static async open(sft: SftProcess): Promise<NodeInspector> {
    process.kill(sft.pid, 'SIGUSR1');
    const address = /ws:\/\/127\.0\.0\.1:(\d+)(\/[0-9a-f-]+)/;
    const output = await eventually(
      'the inspector',
      async () => sft.output(),
      (text) => address.test(text),
    );
    const [, port, path] = address.exec(output)!;
    const socket = connect(Number(port), '127.0.0.1');
    const inspector = new NodeInspector(socket);
    socket.on('data', (chunk) => {
      inspector.#buffer = Buffer.concat([inspector.#buffer, chunk]);
    });
    // The key is of no use to anybody, but has to be one (RFC 6455 §4.1).
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    const headEnd = '\r\n\r\n';
    while (!inspector.#buffer.includes(headEnd)) await once(socket, 'data');
    inspector.#buffer = inspector.#buffer.subarray(inspector.#buffer.indexOf(headEnd) + headEnd.length);
    return inspector;
  }

  /** Collects all garbage and resolves with the JavaScript heap that is left in use, in KiB. */
  async collectGarbage(): Promise<number> {
    // Twice: what only finalizers held goes with the second.
    await this.#call('HeapProfiler.collectGarbage');
    await this.#call('HeapProfiler.collectGarbage');
    const { usedSize } = (await this.#call('Runtime.getHeapUsage')) as { usedSize: number };
    return usedSize / 1024;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #call(method: string): Promise<unknown> {
    this.#id += 1;
    const id = this.#id;
    const text = Buffer.from(JSON.stringify({ id, method }));
    // One masked text frame (RFC 6455 §5.2); a mask of zeros is a mask.
    this.#socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
    for (;;) {
      const message = await this.#nextMessage();
      if (message.id === id) return message.result;
    }
  }

  async #nextMessage(): Promise<{ readonly id?: number; readonly result?: unknown }> {
    for (;;) {
      const length = this.#buffer[1] ?? 0;
      const start = length < SMALL_FRAME ? 2 : 4;
      if (this.#buffer.length >= start) {
        const end = start + (length < SMALL_FRAME ? length : this.#buffer.readUInt16BE(2));
        if (this.#buffer.length >= end) {
          const text = this.#buffer.subarray(start, end).toString();
          this.#buffer = this.#buffer.subarray(end);
          return JSON.parse(text) as { readonly id?: number; readonly result?: unknown };
        }
      }
      await once(this.#socket, 'data');
    }
  }
}
