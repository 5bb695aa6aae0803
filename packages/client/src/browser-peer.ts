import type { FrameTransformPort } from '@conclave/e2ee';
import type { ConferencePeer, PeerEvents } from './conference-platform.ts';
import { setEncodings } from './sender-encodings.ts';
import type { IceServerSource } from './server-ice-servers.ts';

/** Label of the signalling channel. */
const CHANNEL = 'calling-3.0';

/** How long candidates are gathered without relays: host candidates are there at once. */
const GATHERING_MS = 1_000;
/**
 * The same with STUN and TURN servers. The browser goes on trying what it gathers later, and the server learns of it by that;
 * so what is slow or blocked need not delay those who need no relay.
 */
const GATHERING_WITH_SERVERS_MS = 200;
/** The same when only relays are to be used. */
const GATHERING_RELAYS_MS = 3_000;

/** How long a broken path may mend itself before a new connection is made. */
const DISCONNECTED_MS = 4_000;

/** What is sent. */
export interface OutgoingTracks {
  readonly audio: MediaStreamTrack | null;
  readonly video: MediaStreamTrack | null;
  readonly videoSource: 'camera' | 'screen';
}

/** What a peer is made of. */
export interface BrowserPeerOptions {
  /** Tells this peer's slots from those of others. */
  readonly name: string;
  readonly transform: FrameTransformPort;
  readonly iceServers: IceServerSource;
  readonly relayOnly: boolean;
  readonly outgoing: () => OutgoingTracks;
  readonly events: PeerEvents;
  readonly activate: (peer: BrowserPeer) => void;
  readonly closed: (peer: BrowserPeer) => void;
}

/** One slot of a peer. */
export interface ReceiverSlot {
  /** Name in the frame encryption's reports. */
  readonly name: string;
  readonly receiver: RTCRtpReceiver;
  readonly stream: MediaStream;
}

/** An `RTCPeerConnection` to one server, with frame encryption on everything it sends and receives. */
export class BrowserPeer implements ConferencePeer {
  readonly connection: RTCPeerConnection;
  readonly #configuration: RTCConfiguration;
  readonly #iceServers: Promise<readonly RTCIceServer[]>;
  readonly #options: BrowserPeerOptions;
  #channel: RTCDataChannel | undefined;
  #audio: RTCRtpSender | undefined;
  #video: RTCRtpSender | undefined;
  #audioSlots: readonly ReceiverSlot[] = [];
  #videoSlots: readonly ReceiverSlot[] = [];
  #disconnectedTimer: ReturnType<typeof setTimeout> | undefined;
  #videoTail: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(options: BrowserPeerOptions) {
    this.#options = options;
    const { transform, relayOnly } = options;
    this.#iceServers = options.iceServers();
    this.#configuration = {
      bundlePolicy: 'max-bundle',
      iceTransportPolicy: relayOnly ? 'relay' : 'all',
      ...transform.peerConnectionOptions,
    };
    this.connection = new RTCPeerConnection(this.#configuration);
    this.connection.ondatachannel = ({ channel }) => this.#take(channel);
    this.connection.onconnectionstatechange = () => this.#watchState();
  }

  /** Slots of others' voices, in the order of the offer. */
  get audioSlots(): readonly ReceiverSlot[] {
    return this.#audioSlots;
  }

  /** Slots of others' pictures, in the order of the offer. */
  get videoSlots(): readonly ReceiverSlot[] {
    return this.#videoSlots;
  }

  async answer(offerSdp: string): Promise<string> {
    const { connection } = this;
    const iceServers = await this.#iceServers;
    if (iceServers.length > 0)
      connection.setConfiguration({ ...this.#configuration, iceServers: [...iceServers] });
    await connection.setRemoteDescription({ type: 'offer', sdp: offerSdp });
    this.#attach();
    await this.applyTracks();
    await connection.setLocalDescription();
    await this.#gathered(iceServers.length > 0);
    return connection.localDescription?.sdp ?? '';
  }

  activate(): void {
    this.#options.activate(this);
  }

  send(text: string): boolean {
    if (this.#ended || this.#channel?.readyState !== 'open') return false;
    this.#channel.send(text);
    return true;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#disconnectedTimer);
    this.connection.close();
    this.#options.closed(this);
  }

  /** Sends what is to be sent now. */
  async applyTracks(): Promise<void> {
    // One after the other, lest an older track or layer setting comes last.
    this.#videoTail = this.#videoTail.then(() => this.#applyTracks());
    const done = this.#videoTail;
    this.#videoTail = done.catch(() => undefined);
    await done;
  }

  async #applyTracks(): Promise<void> {
    if (this.#ended) return;
    const { audio, video, videoSource } = this.#options.outgoing();
    if (this.#audio !== undefined && this.#audio.track !== audio) await this.#audio.replaceTrack(audio);
    const sender = this.#video;
    if (sender === undefined || this.#ended) return;
    if (sender.track !== video) await sender.replaceTrack(video);
    const parameters = sender.getParameters();
    if (this.#ended || parameters.encodings.length === 0) return;
    setEncodings(parameters.encodings, videoSource);
    (parameters as { degradationPreference?: string }).degradationPreference =
      videoSource === 'screen' ? 'maintain-resolution' : 'balanced';
    await sender.setParameters(parameters);
  }

  /** Leads all streams through the frame encryption, before anything is negotiated and hence before any frame. */
  #attach(): void {
    const { transform, name } = this.#options;
    const audioSlots: ReceiverSlot[] = [];
    const videoSlots: ReceiverSlot[] = [];
    for (const transceiver of this.connection.getTransceivers()) {
      const { sender, receiver, mid } = transceiver;
      const kind = receiver.track.kind === 'audio' ? 'audio' : 'video';
      const slots = kind === 'audio' ? audioSlots : videoSlots;
      const sends = mid === kind;
      const slot = `${name}:${kind}:${slots.length}`;
      // What the server might send beside the slots must not pass in clear either.
      transform.attach(
        receiver,
        sends ? { direction: 'receive', kind } : { direction: 'receive', kind, slot },
      );
      if (!sends) {
        slots.push({ name: slot, receiver, stream: new MediaStream([receiver.track]) });
        continue;
      }
      transform.attach(sender, { direction: 'send', kind });
      transceiver.direction = 'sendrecv';
      if (kind === 'audio') this.#audio = sender;
      else this.#video = sender;
    }
    this.#audioSlots = audioSlots;
    this.#videoSlots = videoSlots;
  }

  #gathered(withServers: boolean): Promise<void> {
    const { connection } = this;
    if (connection.iceGatheringState === 'complete') return Promise.resolve();
    const limitMs = this.#options.relayOnly
      ? GATHERING_RELAYS_MS
      : withServers
        ? GATHERING_WITH_SERVERS_MS
        : GATHERING_MS;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      connection.onicegatheringstatechange = () => {
        if (connection.iceGatheringState !== 'complete') return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #take(channel: RTCDataChannel): void {
    if (channel.label !== CHANNEL || this.#channel !== undefined) return;
    this.#channel = channel;
    let announced = false;
    const opened = (): void => {
      if (announced || this.#ended) return;
      announced = true;
      this.#options.events.opened();
    };
    channel.onmessage = ({ data }) => {
      if (typeof data === 'string' && !this.#ended) this.#options.events.message(data);
    };
    channel.onopen = opened;
    channel.onclose = () => this.#fail('the channel was closed');
    if (channel.readyState === 'open') opened();
  }

  #watchState(): void {
    const state = this.connection.connectionState;
    clearTimeout(this.#disconnectedTimer);
    if (state === 'failed') this.#fail('no path to the server');
    else if (state === 'disconnected') {
      this.#disconnectedTimer = setTimeout(() => this.#fail('the path to the server broke'), DISCONNECTED_MS);
    }
  }

  #fail(reason: string): void {
    if (!this.#ended) this.#options.events.failed(reason);
  }
}
