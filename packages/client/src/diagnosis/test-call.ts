import type { DiagnosisFinding } from './diagnosis.ts';
import type { DiagnosisPlatform } from './diagnosis-platform.ts';

/** Which candidates of both sides are kept. */
export type TestTransport = 'udp' | 'tcp';

/** Figures of a connection over some seconds. Undefined: the browser could not tell. */
export interface CallFigures {
  readonly roundTripMs: number | undefined;
  /** Share of the packets sent that the server missed, 0 to 1. */
  readonly lossSent: number | undefined;
  /** Over what the connection runs. */
  readonly path: string | undefined;
}

/** The answer to a request for a call. */
export type CallRequest =
  | { readonly kind: 'offered'; readonly call: TestCall }
  | { readonly kind: 'refused'; readonly finding: DiagnosisFinding; readonly status?: number };

const REQUEST_MS = 12_000;
const GATHERING_MS = 3000;
/** A TURN server needs up to six round trips, over TLS. */
const RELAY_GATHERING_MS = 6000;
/** Slow paths connect in two or three seconds; what needs longer is no path for a call. */
const CONNECT_MS = 10_000;
const REPLY_MS = 4000;
const GOODBYE_MS = 1000;
const USER_AGENT = { tool: 'conclave-diagnosis', toolver: '10.0.0' };

/**
 * A call in a conference of its own under random names, with nothing but a test tone in it. It joins as clients do, so
 * what works for it works for them.
 */
export class TestCall {
  readonly #platform: DiagnosisPlatform;
  readonly #server: string;
  readonly #conversation: string;
  readonly #userId: string;
  readonly #signal: AbortSignal;
  readonly #offerType: string;
  readonly #offer: string;
  readonly #waiting = new Map<string, () => void>();
  #connection: RTCPeerConnection | undefined;
  #relayed = false;
  #channel: RTCDataChannel | undefined;
  #tone: { readonly track: MediaStreamTrack; readonly stop: () => void } | undefined;

  private constructor(
    platform: DiagnosisPlatform,
    server: string,
    conversation: string,
    userId: string,
    signal: AbortSignal,
    offer: { readonly type: string; readonly sdp: string },
  ) {
    this.#platform = platform;
    this.#server = server;
    this.#conversation = conversation;
    this.#userId = userId;
    this.#signal = signal;
    this.#offerType = offer.type;
    this.#offer = offer.sdp;
  }

  /** Asks the server for an offer. Never rejects. */
  static async request(
    platform: DiagnosisPlatform,
    server: string,
    signal: AbortSignal,
  ): Promise<CallRequest> {
    const conversation = platform.randomHex(16);
    const userId = platform.randomHex(16);
    let response: Response;
    let text: string;
    const deadline = AbortSignal.timeout(REQUEST_MS);
    try {
      response = await post(platform, server, conversation, AbortSignal.any([signal, deadline]), {
        ...envelope(conversation, userId),
        type: 'CONFCONN',
        resp: false,
        update: false,
        ...USER_AGENT,
        status: 0,
        selective_audio: true,
        selective_video: true,
        vstreams: 0,
      });
      text = await response.text();
    } catch {
      return { kind: 'refused', finding: deadline.aborted ? 'conference-timeout' : 'conference-failed' };
    }
    if (response.status === 429 || response.status === 503)
      return { kind: 'refused', finding: 'conference-busy', status: response.status };
    const message = response.ok ? readMessage(text) : undefined;
    if (message?.type === 'CONFCONN')
      return { kind: 'refused', finding: findingOfStatus(message.status), status: Number(message.status) };
    if (message === undefined || typeof message.sdp !== 'string')
      return { kind: 'refused', finding: 'conference-failed', status: response.status };
    const offer = { type: String(message.type), sdp: message.sdp };
    return {
      kind: 'offered',
      call: new TestCall(platform, server, conversation, userId, signal, offer),
    };
  }

  /** Media addresses in the server's offer, `192.0.2.1:40000` or `[2001:db8::1]:40000`. */
  addresses(transport: TestTransport): readonly string[] {
    const found = new Set<string>();
    for (const line of this.#offer.split(/\r?\n/)) {
      const [, , protocol, , address = '', port = ''] = line.startsWith('a=candidate:')
        ? line.split(' ')
        : [];
      if (protocol?.toLowerCase() !== transport) continue;
      found.add(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
    }
    return [...found];
  }

  /** Whether {@link TestCall.connect} got a relay from its TURN server. */
  get relayed(): boolean {
    return this.#relayed;
  }

  /**
   * Connects over one transport alone, or through this TURN server alone. True when the channel is open. Never rejects.
   */
  async connect(transport: TestTransport, turn?: RTCIceServer): Promise<boolean> {
    const connection = this.#platform.createConnection({
      bundlePolicy: 'max-bundle',
      ...(turn ? { iceServers: [turn], iceTransportPolicy: 'relay' } : {}),
    });
    this.#connection = connection;
    const opened = new Promise<boolean>((resolve) => {
      connection.ondatachannel = ({ channel }) => {
        this.#channel = channel;
        channel.onmessage = ({ data }) => this.#receive(String(data));
        channel.onopen = () => resolve(true);
        if (channel.readyState === 'open') resolve(true);
      };
      connection.onconnectionstatechange = () => {
        if (connection.connectionState === 'failed') resolve(false);
      };
    });
    try {
      await connection.setRemoteDescription({ type: 'offer', sdp: keepCandidates(this.#offer, transport) });
      await this.#sendTone(connection);
      await connection.setLocalDescription();
      await this.#gathered(connection, turn ? RELAY_GATHERING_MS : GATHERING_MS);
      const answer = connection.localDescription?.sdp ?? '';
      this.#relayed = turn !== undefined && answer.includes('a=candidate:');
      if (turn && !this.#relayed) return false;
      const response = await post(this.#platform, this.#server, this.#conversation, this.#signal, {
        ...envelope(this.#conversation, this.#userId),
        type: this.#offerType,
        resp: true,
        // The server would try our other addresses by itself.
        sdp: keepCandidates(answer, transport),
        props: { videosend: 'false', screensend: 'false', audiocbr: 'false', muted: 'false' },
      });
      if (!response.ok) return false;
      return await Promise.race([
        opened,
        this.#platform.wait(CONNECT_MS, this.#signal).then((): boolean => false),
      ]);
    } catch {
      return false;
    }
  }

  /** Milliseconds until the server answered a PING on the channel; undefined when it did not. */
  async ping(): Promise<number | undefined> {
    const startedAt = this.#platform.now();
    const answered = await this.#ask('PING', REPLY_MS);
    return answered ? this.#platform.now() - startedAt : undefined;
  }

  /** Figures over this time. Never rejects. */
  async measure(durationMs: number): Promise<CallFigures> {
    const before = await this.#counters();
    await this.#platform.wait(durationMs, this.#signal);
    const after = await this.#counters();
    const sent = after.sent - before.sent;
    const lost = after.lost - before.lost;
    return {
      roundTripMs: after.roundTripMs,
      lossSent: after.reported && sent > 0 ? Math.min(1, Math.max(0, lost / sent)) : undefined,
      path: after.path,
    };
  }

  /** Leaves, so that the server forgets the call at once, and frees everything. May be called again. */
  async close(): Promise<void> {
    if (this.#channel?.readyState === 'open') await this.#ask('HANGUP', GOODBYE_MS);
    this.#tone?.stop();
    this.#connection?.close();
  }

  async #sendTone(connection: RTCPeerConnection): Promise<void> {
    const audio = connection
      .getTransceivers()
      .find(({ mid, receiver }) => mid === 'audio' && receiver.track.kind === 'audio');
    if (!audio) return;
    this.#tone = this.#platform.createTone();
    audio.direction = 'sendrecv';
    await audio.sender.replaceTrack(this.#tone.track);
  }

  async #gathered(connection: RTCPeerConnection, limitMs: number): Promise<void> {
    const complete = new Promise<void>((resolve) => {
      const look = (): void => {
        if (connection.iceGatheringState === 'complete') resolve();
      };
      connection.onicegatheringstatechange = look;
      look();
    });
    await Promise.race([complete, this.#platform.wait(limitMs, this.#signal)]);
  }

  #receive(text: string): void {
    const message = readMessage(text);
    if (message?.resp === true) this.#waiting.get(String(message.type))?.();
  }

  async #ask(type: 'PING' | 'HANGUP', limitMs: number): Promise<boolean> {
    const answered = new Promise<boolean>((resolve) => this.#waiting.set(type, () => resolve(true)));
    try {
      this.#channel?.send(
        JSON.stringify({ ...envelope(this.#conversation, this.#userId), type, resp: false }),
      );
    } catch {
      return false;
    }
    // A goodbye has to go out also when the test was ended from outside.
    const signal = type === 'HANGUP' ? new AbortController().signal : this.#signal;
    return Promise.race([answered, this.#platform.wait(limitMs, signal).then((): boolean => false)]);
  }

  async #counters(): Promise<Counters> {
    const counters: Counters = { sent: 0, lost: 0, reported: false, roundTripMs: undefined, path: undefined };
    const report = await this.#connection?.getStats().catch(() => undefined);
    report?.forEach((entry) => {
      if (entry.type === 'outbound-rtp') counters.sent += entry.packetsSent ?? 0;
      if (entry.type === 'remote-inbound-rtp') {
        counters.reported = true;
        counters.lost += entry.packetsLost ?? 0;
      }
      if (entry.type !== 'candidate-pair' || !entry.nominated || entry.state !== 'succeeded') return;
      if (typeof entry.currentRoundTripTime === 'number')
        counters.roundTripMs = entry.currentRoundTripTime * 1000;
      counters.path = report.get(entry.remoteCandidateId)?.protocol;
    });
    return counters;
  }
}

interface Counters {
  sent: number;
  lost: number;
  reported: boolean;
  roundTripMs: number | undefined;
  path: string | undefined;
}

function envelope(conversation: string, userId: string): Record<string, unknown> {
  return {
    version: '3.0',
    sessid: conversation,
    src_userid: userId,
    src_clientid: '_',
    dest_userid: 'sft',
    dest_clientid: 'SFT',
  };
}

function post(
  platform: DiagnosisPlatform,
  server: string,
  conversation: string,
  signal: AbortSignal,
  message: Record<string, unknown>,
): Promise<Response> {
  return platform.fetch(`${server}/sft/${conversation}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: JSON.stringify(message),
    cache: 'no-store',
    credentials: 'omit',
    signal,
  });
}

function readMessage(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function keepCandidates(sdp: string, transport: TestTransport): string {
  return sdp
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('a=candidate:') || line.split(' ')[2]?.toLowerCase() === transport)
    .join('\r\n');
}

function findingOfStatus(status: unknown): DiagnosisFinding {
  if (status === 1) return 'conference-client-too-old';
  if (status === 2 || status === 3 || status === 5) return 'conference-token-needed';
  return status === 4 ? 'conference-busy' : 'conference-refused';
}
