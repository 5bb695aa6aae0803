import type { RandomBytes } from '@conclave/bytes';
import {
  applyKeyChange,
  ConfkeyProvider,
  FrameDecryptor,
  FrameEncryptor,
  type KeyMessage,
  type KeyParticipant,
  KeyStore,
  type MemberId,
  SenderDirectory,
} from '../src/index.ts';
import { crypto, seededRandom } from './seeded-random.ts';

const CONVERSATION = 'b4f510b7ddb37f196f6cdecbb691c8a1';
const STEP_MS = 50;
const FRAME_EVERY_MS = 200;

/** One member's device: provider, keys and frame crypto, as a page and its worker would have them. */
export class Device {
  readonly name: string;
  readonly member: MemberId;
  readonly participant: KeyParticipant;
  readonly provider: ConfkeyProvider;
  readonly store: KeyStore;
  readonly senders: SenderDirectory;
  readonly encryptor: FrameEncryptor;
  readonly decryptor: FrameDecryptor;
  /** Sends no frames while set. */
  muted = false;

  constructor(name: string, random: RandomBytes, number: number) {
    this.name = name;
    this.member = { userId: `user-${name}`, clientId: 'device' };
    const userHash = `hash-of-${name}`;
    this.participant = { userHash, audioSsrc: number, videoSsrc: 1000 + number, member: this.member };
    this.provider = new ConfkeyProvider(crypto, {
      userHash,
      member: this.member,
      conversationHash: CONVERSATION,
      random,
    });
    this.store = new KeyStore(crypto, { conversationHash: CONVERSATION, forwardHashing: true });
    this.senders = new SenderDirectory(crypto);
    this.encryptor = new FrameEncryptor(crypto, this.store, { userHash, random });
    this.encryptor.setStreamId('audio', number);
    this.decryptor = new FrameDecryptor(crypto, this.store, this.senders);
  }
}

interface Travelling {
  readonly at: number;
  readonly from: Device;
  readonly to: MemberId;
  readonly text: string;
}

/** A conference on a virtual clock: lists reach devices at once, key messages later or never, frames at once. */
export class ConfkeyConference {
  now = 0;
  /** How long a key message travels. */
  messageDelayMs = 150;
  /** Whether this key message is lost. */
  lose: (from: Device, to: MemberId, now: number) => boolean = () => false;
  /** All key messages ever sent, lost ones too. */
  readonly sent: { readonly at: number; readonly from: string; readonly message: KeyMessage }[] = [];
  /** When who last failed to open a frame of whom, as `listener<-speaker`. */
  readonly failedAt = new Map<string, number>();
  /** Frames of the present step, for outsiders to try. */
  frames: { readonly from: Device; readonly frame: Uint8Array }[] = [];
  /** In the order of the list. */
  devices: Device[] = [];
  readonly #random: RandomBytes = seededRandom('conference');
  #travelling: Travelling[] = [];
  #made = 0;
  #lists = 0;

  device(name: string): Device {
    return new Device(name, this.#random, ++this.#made);
  }

  async join(name: string): Promise<Device> {
    const device = this.device(name);
    this.devices.push(device);
    await this.publish();
    return device;
  }

  async leave(device: Device): Promise<void> {
    this.devices = this.devices.filter((other) => other !== device);
    await this.publish();
  }

  /** Gives the list to these devices, or to all. */
  async publish(to: readonly Device[] = this.devices): Promise<void> {
    const roster = {
      timestampMs: this.now,
      sequenceNumber: ++this.#lists,
      entropy: this.#random(16),
      participants: this.devices.map(({ participant }) => participant),
    };
    for (const device of to) {
      device.senders.setSenders(roster.participants.filter((entry) => entry !== device.participant));
      await device.provider.handleRoster(this.now, roster);
      await this.#drain(device);
    }
  }

  async run(forMs: number): Promise<void> {
    for (const end = this.now + forMs; this.now < end; ) {
      this.now += STEP_MS;
      const due = this.#travelling.filter(({ at }) => at <= this.now);
      this.#travelling = this.#travelling.filter(({ at }) => at > this.now);
      for (const { from, to, text } of due) {
        const target = this.devices.find(({ member }) => member.userId === to.userId);
        if (target === undefined) continue;
        await target.provider.handleMessage(this.now, from.member, text);
        await this.#drain(target);
      }
      for (const device of this.devices) {
        const at = device.provider.pollTimeout();
        if (at === undefined || at > this.now) continue;
        await device.provider.handleTimeout(this.now);
        await this.#drain(device);
      }
      if (this.now % FRAME_EVERY_MS === 0) await this.#speak();
    }
  }

  /** Pairs who failed after this time. */
  failuresSince(time: number): string[] {
    return [...this.failedAt].filter(([, at]) => at > time).map(([pair, at]) => `${pair} at ${at}`);
  }

  async #speak(): Promise<void> {
    this.frames = [];
    for (const device of this.devices) {
      if (device.muted) continue;
      if (device.store.sendKey === undefined) {
        this.failedAt.set(`${device.name} cannot speak`, this.now);
        continue;
      }
      this.frames.push({ from: device, frame: await device.encryptor.seal('audio', Uint8Array.of(1, 2, 3)) });
    }
    for (const { from, frame } of this.frames) {
      for (const device of this.devices) {
        if (device === from) continue;
        const opened = await device.decryptor.open('audio', frame);
        if (opened.ok) {
          if (opened.movedOn) await device.provider.handleKeySeen(this.now, opened.keyIndex);
        } else {
          this.failedAt.set(`${device.name}<-${from.name} ${opened.reason}`, this.now);
          if (opened.reason === 'missing-key' || opened.reason === 'bad-tag') {
            const { reason, keyIndex } = opened;
            await device.provider.handleUnopened(this.now, { reason, keyIndex: keyIndex! });
          }
        }
        await this.#drain(device);
      }
    }
  }

  async #drain(device: Device): Promise<void> {
    for (
      let change = device.provider.pollChange();
      change !== undefined;
      change = device.provider.pollChange()
    ) {
      await applyKeyChange(device.store, change);
    }
    for (let out = device.provider.pollTransmit(); out !== undefined; out = device.provider.pollTransmit()) {
      this.sent.push({ at: this.now, from: device.name, message: out });
      for (const to of out.to) {
        if (this.lose(device, to, this.now)) continue;
        this.#travelling.push({ at: this.now + this.messageDelayMs, from: device, to, text: out.text });
      }
    }
  }
}
