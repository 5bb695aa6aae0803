/** A page of whichever browser, as far as a call needs it: it evaluates a script and waits for its promise. */
export interface ScriptPage {
  evaluate(script: string): Promise<unknown>;
}

/** One inbound stream as the browser counts it. */
export interface InboundStats {
  readonly kind: 'audio' | 'video';
  readonly mid: string;
  readonly ssrc: number;
  readonly packets: number;
  readonly lost: number;
  readonly nacks: number;
  readonly plis: number;
  readonly frames?: number;
  readonly keyFrames?: number;
  readonly width?: number;
  readonly height?: number;
  readonly freezes?: number;
  readonly frozenSeconds?: number;
  readonly retransmitted?: number;
  readonly playout?: number;
  readonly concealed?: number;
}

/** What a page in a call can tell about its media. */
export interface CallStats {
  readonly inbound: readonly InboundStats[];
  readonly outbound: readonly {
    readonly kind: string;
    readonly rid?: string;
    readonly ssrc: number;
    readonly packets: number;
    readonly frames?: number;
    readonly width?: number;
    readonly height?: number;
    readonly retransmitted?: number;
    readonly nacks?: number;
    readonly plis?: number;
  }[];
  readonly pair?: {
    readonly local: {
      readonly protocol: string;
      readonly address: string;
      readonly port: number;
      readonly candidateType: string;
      /** How the browser reaches its TURN server, of a relayed candidate. */
      readonly relayProtocol?: string;
    };
    readonly remote: { readonly protocol: string; readonly address: string; readonly port: number };
    readonly bitrate?: number;
  };
  readonly srtpCipher?: string;
  readonly state: string;
  readonly sources: readonly { readonly kind: string; readonly contributing: readonly number[] }[];
}

/** One entry of the participant list. */
export interface RosterEntry {
  readonly userid: string;
  readonly ssrc_audio: string;
  readonly ssrc_video: string;
  readonly timestamp: number;
  readonly muted?: boolean;
}

/** How a page calls. */
export interface CallOptions {
  readonly sft: string;
  readonly conversation: string;
  readonly userId?: string;
  /** Frequency of its tone in Hz; no microphone without. */
  readonly frequency?: number;
  readonly video?: { readonly width?: number; readonly height?: number; readonly frameRate?: number };
  readonly vstreams?: number;
  /** The server that holds the conference, when it is another one. */
  readonly anchor?: { readonly url: string; readonly tuple?: string };
  /** Only candidate lines of the offer that match this pattern are used. */
  readonly candidates?: string;
  /** Settings of the page's RTCPeerConnection, such as TURN servers. */
  readonly rtc?: Readonly<Record<string, unknown>>;
}

/** A page of the test browser in, or about to be in, a call. */
export class CallPage {
  readonly page: ScriptPage;
  readonly userId: string;

  private constructor(page: ScriptPage, userId: string) {
    this.page = page;
    this.userId = userId;
  }

  /** Prepares the page; {@link CallPage.join} calls. */
  static async create(page: ScriptPage, options: CallOptions): Promise<CallPage> {
    const script = `(window.call = new window.Call(${JSON.stringify(options)})).userId`;
    const userId = (await page.evaluate(script)) as string;
    return new CallPage(page, userId);
  }

  /** Calls a method of the page's `Call`, or reads one of its fields. */
  async ask<Result>(expression: string): Promise<Result> {
    return (await this.page.evaluate(`(async () => (${expression}))()`)) as Result;
  }

  join(options: { readonly update?: boolean } = {}): Promise<{ joinMs: number; totalMs: number }> {
    return this.ask(`call.join(${JSON.stringify(options)})`);
  }

  stats(): Promise<CallStats> {
    return this.ask('call.stats()');
  }

  roster(): Promise<RosterEntry[]> {
    return this.ask('call.roster');
  }

  /** Loudness of each frequency in dB, in the slot where it is loudest. */
  tones(frequencies: readonly number[]): Promise<number[]> {
    return this.ask(`call.tones(${JSON.stringify(frequencies)})`);
  }

  /** Asks for video of these users, or of all. */
  async select(users: 'all' | readonly string[], quality: 0 | 1 | 2 = 2): Promise<void> {
    await this.ask(`call.select(${JSON.stringify(users)}, ${quality})`);
  }

  async leave(): Promise<void> {
    await this.ask('call.leave()');
  }
}

/** Resolves with the first value for which `accept` holds, or fails with the last one after `timeoutMs`. */
export async function eventually<Value>(
  what: string,
  read: () => Promise<Value>,
  accept: (value: Value) => boolean,
  timeoutMs = 15_000,
): Promise<Value> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (accept(value)) return value;
    if (performance.now() > deadline)
      throw new Error(`${what}: not within ${timeoutMs} ms; last seen ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
