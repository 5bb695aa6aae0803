import { FormatError } from '@conclave/bytes';
import type { DataSender } from './data-sender.ts';
import { type DcepMessage, encodeDcepAck, encodeDcepOpen, Ppid, parseDcep } from './dcep-message.ts';
import type { InboundMessage } from './fragment-runs.ts';
import { decodeText } from './message-text.ts';
import type { SctpEvent } from './sctp-event.ts';
import type { SctpLimits } from './sctp-options.ts';
import type { SctpDropReason, SctpStats } from './sctp-stats.ts';
import type { StreamReset } from './stream-reset.ts';

interface Channel {
  readonly streamId: number;
  readonly label: string;
  readonly protocol: string;
  /** `opening`: ours, not yet acknowledged; `closing`: until both directions have begun anew. */
  state: 'opening' | 'open' | 'closing';
  /** The owner need not hear of its end: it never heard of the channel, or has been told. */
  quiet: boolean;
  ownReset: boolean;
  peerReset: boolean;
}

/** What an open channel of the owner's choice is called. */
export interface OpenChannelOptions {
  /** At most 1024 bytes of UTF-8. */
  readonly label: string;
  /** Subprotocol, at most 1024 bytes of UTF-8. Default: empty. */
  readonly protocol?: string;
  /** 0..65535, for the peer's information (RFC 8831 §6.4). Default: 0. */
  readonly priority?: number;
}

/** Channels of the peer being refused at a time; one that opens more without end is not worth talking to. */
const MAX_REFUSALS = 64;

/** Data channels over the streams of one association (RFC 8831, RFC 8832). */
export class DataChannels {
  readonly #limits: SctpLimits;
  readonly #stats: SctpStats;
  readonly #emit: (event: SctpEvent, cost: number) => void;
  readonly #channels = new Map<number, Channel>();
  /** Parity of the streams we open: the DTLS server uses odd ones (RFC 8832 §6). */
  readonly #ownParity: 0 | 1;
  #sender: DataSender;
  #resets: StreamReset | undefined;
  #canReset = false;
  #streamCount = 65_535;

  constructor(
    role: 'client' | 'server',
    limits: SctpLimits,
    stats: SctpStats,
    sender: DataSender,
    emit: (event: SctpEvent, cost: number) => void,
  ) {
    this.#ownParity = role === 'server' ? 1 : 0;
    this.#limits = limits;
    this.#stats = stats;
    this.#sender = sender;
    this.#emit = emit;
  }

  /** The association is up: `streamCount` streams may be used, and reset if `canReset`. */
  start(resets: StreamReset, streamCount: number, canReset: boolean): void {
    this.#resets = resets;
    this.#streamCount = streamCount;
    this.#canReset = canReset;
    for (const channel of [...this.#channels.values()]) {
      if (channel.streamId >= streamCount) {
        this.#sender.discardStream(channel.streamId);
        this.#announceEnd(channel);
        this.#channels.delete(channel.streamId);
      } else if (channel.state === 'closing') {
        this.#requestReset(channel);
      }
    }
  }

  /** The peer has lost its state, and with it all channels. */
  restart(sender: DataSender): void {
    for (const channel of this.#channels.values()) this.#announceEnd(channel);
    this.#channels.clear();
    this.#sender = sender;
    this.#resets = undefined;
  }

  /** Opens a channel and returns its stream id. Throws {@link RangeError} when there are too many. */
  open(options: OpenChannelOptions): number {
    const { label, protocol = '', priority = 0 } = options;
    const message = encodeDcepOpen(label, protocol, priority);
    let streamId: number = this.#ownParity;
    while (this.#channels.has(streamId)) streamId += 2;
    if (this.#channels.size >= this.#limits.maxChannels || streamId >= this.#streamCount) {
      throw new RangeError('too many data channels');
    }
    this.#add(streamId, label, protocol, 'opening');
    this.#sender.enqueue(streamId, Ppid.dcep, message);
    return streamId;
  }

  /** Whether messages may be sent on the stream. Also before the peer has acknowledged it (RFC 8832 §6). */
  isUsable(streamId: number): boolean {
    const state = this.#channels.get(streamId)?.state;
    return state === 'opening' || state === 'open';
  }

  /** Begins to close a channel: what is queued still goes out. Nothing happens when it is unknown or closing. */
  close(streamId: number): void {
    const channel = this.#channels.get(streamId);
    if (!channel || channel.state === 'closing') return;
    channel.state = 'closing';
    if (this.#resets) this.#requestReset(channel);
  }

  /**
   * Takes a message. `kept`: it became an event that carries its cost; `unkept`: nothing holds it any more;
   * `too-many`: the peer opens channels without end and is to be cut off.
   */
  handleMessage(message: InboundMessage): 'kept' | 'unkept' | 'too-many' {
    if (message.ppid === Ppid.dcep) return this.#handleDcep(message) ? 'unkept' : 'too-many';
    const channel = this.#channels.get(message.streamId);
    if (!channel || channel.state === 'closing') return this.#drop('no-channel');
    let data: string | Uint8Array;
    switch (message.ppid) {
      case Ppid.text:
        try {
          data = decodeText(message.data);
        } catch (error) {
          if (error instanceof FormatError) return this.#drop('bad-text');
          throw error;
        }
        break;
      case Ppid.binary:
        data = message.data;
        break;
      case Ppid.emptyText:
        data = '';
        break;
      case Ppid.emptyBinary:
        data = new Uint8Array(0);
        break;
      default:
        return this.#drop('no-channel');
    }
    // The peer can only use the channel because it accepted it; its ACK may come later when order is off.
    this.#announceOpen(channel);
    this.#stats.messagesReceived++;
    this.#emit({ type: 'message', streamId: channel.streamId, data }, message.cost);
    return 'kept';
  }

  /** The peer closes channels, or has finished closing them: its direction begins anew; empty: all. */
  handlePeerReset(streamIds: readonly number[]): void {
    for (const streamId of streamIds.length > 0 ? streamIds : [...this.#channels.keys()]) {
      const channel = this.#channels.get(streamId);
      if (!channel) continue;
      channel.peerReset = true;
      this.close(streamId);
      this.#announceEnd(channel);
      this.#removeIfDone(channel);
    }
  }

  /** The peer has let our direction of the streams begin anew. */
  handleOwnReset(streamIds: readonly number[]): void {
    for (const streamId of streamIds) {
      const channel = this.#channels.get(streamId);
      if (channel?.state !== 'closing' || channel.ownReset) continue;
      channel.ownReset = true;
      this.#sender.resetStream(streamId);
      this.#removeIfDone(channel);
    }
  }

  /** Whether the peer stayed within bounds. */
  #handleDcep(message: InboundMessage): boolean {
    const { streamId } = message;
    let dcep: DcepMessage;
    try {
      dcep = parseDcep(message.data);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#stats.dropped['bad-channel']++;
      return error.code === 'bad-dcep-type' || this.#refuse(streamId);
    }
    let channel = this.#channels.get(streamId);
    if (dcep.type === 'ack') {
      if (channel?.state === 'opening') this.#announceOpen(channel);
      return true;
    }
    if (channel?.state === 'closing' && channel.peerReset) {
      // Only a peer that has performed our reset uses the stream again: its response is late or lost.
      this.handleOwnReset([streamId]);
      channel = this.#channels.get(streamId);
    }
    const isOwnParity = streamId % 2 === this.#ownParity;
    if (
      channel ||
      isOwnParity ||
      this.#channels.size >= this.#limits.maxChannels ||
      streamId >= this.#streamCount
    ) {
      this.#stats.dropped['bad-channel']++;
      return this.#refuse(streamId);
    }
    channel = this.#add(streamId, dcep.label, dcep.protocol, 'opening');
    this.#sender.enqueue(streamId, Ppid.dcep, encodeDcepAck());
    this.#announceOpen(channel);
    return true;
  }

  /** Closes the channel of an OPEN that may not be (RFC 8832 §6). False when that happens too often. */
  #refuse(streamId: number): boolean {
    if (!this.#channels.has(streamId)) {
      if (streamId >= this.#streamCount) return true;
      if (this.#channels.size >= this.#limits.maxChannels + MAX_REFUSALS) return false;
      this.#add(streamId, '', '', 'open').quiet = true;
    }
    this.close(streamId);
    return true;
  }

  #add(streamId: number, label: string, protocol: string, state: 'opening' | 'open'): Channel {
    const channel: Channel = {
      streamId,
      label,
      protocol,
      state,
      quiet: false,
      ownReset: false,
      peerReset: false,
    };
    this.#channels.set(streamId, channel);
    return channel;
  }

  #requestReset(channel: Channel): void {
    if (this.#canReset) this.#resets?.request(channel.streamId);
    // Its stream can never begin anew, so the id is not used again.
    else this.#announceEnd(channel);
  }

  #removeIfDone(channel: Channel): void {
    if (!channel.ownReset || !channel.peerReset) return;
    this.#announceEnd(channel);
    this.#channels.delete(channel.streamId);
  }

  #announceOpen(channel: Channel): void {
    if (channel.state !== 'opening') return;
    channel.state = 'open';
    const { streamId, label, protocol } = channel;
    this.#emit({ type: 'channel-open', streamId, label, protocol }, label.length + protocol.length);
  }

  #announceEnd(channel: Channel): void {
    if (channel.quiet) return;
    channel.quiet = true;
    this.#emit({ type: 'channel-closed', streamId: channel.streamId }, 0);
  }

  #drop(reason: SctpDropReason): 'unkept' {
    this.#stats.dropped[reason]++;
    return 'unkept';
  }
}
