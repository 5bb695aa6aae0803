import type { PropertyBox } from '@conclave/e2ee';
import type { Props } from '@conclave/econn';
import { type BoxedProfile, PROFILE_PROPERTY, sealProfile } from './profile-box.ts';

/** What a client tells about itself. */
export interface OwnProperties {
  readonly muted: boolean;
  readonly video: 'off' | 'camera' | 'screen';
  readonly boxed: Omit<BoxedProfile, 'number'>;
  /** The epoch that the own side has a key of, where keys have epochs. */
  readonly epoch: number | undefined;
}

/** Sends the own properties, one after the other and always the newest, the profile in a box. */
export class PropertySync {
  readonly #selfId: string;
  readonly #box: PropertyBox | undefined;
  readonly #read: () => OwnProperties;
  readonly #send: (props: Props) => void;
  #sealed: { readonly content: string; readonly text: string } | undefined;
  #number = 0;
  #wanted = 0;
  #done = 0;
  #running: Promise<void> | undefined;

  constructor(options: {
    readonly selfId: string;
    readonly box: PropertyBox | undefined;
    readonly read: () => OwnProperties;
    readonly send: (props: Props) => void;
  }) {
    this.#selfId = options.selfId;
    this.#box = options.box;
    this.#read = options.read;
    this.#send = options.send;
  }

  /** Says the properties as they are now. Resolves when that was done; changes meanwhile go out with it or after it. */
  async update(): Promise<void> {
    this.#wanted++;
    this.#running ??= this.#run();
    await this.#running;
  }

  /** What stands without a box, as for the answer to an offer. */
  plain(): Props {
    const { muted, video, epoch } = this.#read();
    return {
      videosend: String(video === 'camera'),
      screensend: String(video === 'screen'),
      audiocbr: 'false',
      muted: String(muted),
      ...(epoch === undefined ? {} : { keysync: String(epoch) }),
    };
  }

  async #run(): Promise<void> {
    try {
      while (this.#done !== this.#wanted) {
        const round = this.#wanted;
        const box = await this.#boxText();
        this.#done = round;
        this.#send(box === undefined ? this.plain() : { ...this.plain(), [PROFILE_PROPERTY]: box });
      }
    } finally {
      this.#running = undefined;
    }
  }

  async #boxText(): Promise<string | undefined> {
    if (this.#box === undefined) return undefined;
    const { boxed } = this.#read();
    // The same content keeps its box, so that a change of mute costs no sealing and no new number.
    const content = JSON.stringify(boxed);
    if (this.#sealed?.content !== content) {
      const text = await sealProfile(this.#box, this.#selfId, { ...boxed, number: ++this.#number });
      this.#sealed = { content, text };
    }
    return this.#sealed.text;
  }
}
