import type { NowMs, RandomBytes } from '@conclave/bytes';
import { encodeConfkey, type IndexedKey, parseConfkey } from './confkey-message.ts';
import {
  deriveFreshSessionKey,
  deriveNextSessionKey,
  encodeRosterSalt,
  SESSION_KEY_LENGTH,
} from './key-derivation.ts';
import { canHashForward, freshKeyIndex, keyGeneration } from './key-index.ts';
import type { KeyChange, KeyMessage, KeyProvider, MemberId, UnopenedFrame } from './key-provider.ts';
import {
  acceptedHashes,
  type KeyParticipant,
  type KeyRoster,
  keyGenerator,
  sameMember,
} from './key-roster.ts';
import { MAX_STORED_KEYS } from './key-store.ts';
import type { MediaCrypto } from './subtle-crypto.ts';

/** Times of a {@link ConfkeyProvider}, in milliseconds. */
export interface ConfkeyTimings {
  /** From a new key or a join to the first rotation. Lower lets who joins read less of before; higher saves messages. */
  readonly firstRotationMs: number;
  /** Between rotations. Lower costs hashing; higher lets who joins or seizes a device read more of before. */
  readonly rotationMs: number;
  /** From giving out a key to using it. Lower loses frames where the message is slow; higher lets who left read on. */
  readonly adoptionDelayMs: number;
  /** From missing a key to the first request, and between answers to one device. Lower costs messages. */
  readonly requestMs: number;
  /** Longest time between requests. Higher leaves who was forgotten deaf for longer. */
  readonly maxRequestMs: number;
  /**
   * From the use of a fresh key to forgetting those before it. Lower loses frames of Wire's clients, who may go on with a
   * former key until their own next rotation; higher lets who left send on, if the server lists them still.
   */
  readonly formerKeysMs: number;
}

/** The times that the clients of Wire use, where they matter to others. */
export const CONFKEY_TIMINGS: ConfkeyTimings = {
  firstRotationMs: 5_000,
  rotationMs: 30_000,
  adoptionDelayMs: 1_000,
  requestMs: 1_000,
  maxRequestMs: 10_000,
  formerKeysMs: 40_000,
};

/** Requests in vain before a member who has some key gives up; what cannot be opened starts them again. */
const MAX_REQUESTS_WITH_KEYS = 5;

/** Key messages that came before the list that makes their sender the generator. */
const MAX_EARLY_MESSAGES = 8;
const EARLY_MESSAGE_MS = 10_000;

/** Generations that an unauthentic index may push the next fresh key ahead; indices are finite. */
const MAX_GENERATION_JUMP = 64;

/** Settings of a {@link ConfkeyProvider}. */
export interface ConfkeyProviderOptions {
  /** The own hash as the participant list has it. */
  readonly userHash: string;
  /** The own device. */
  readonly member: MemberId;
  /** The conversation's hash: salt of all derivations. */
  readonly conversationHash: string;
  readonly random: RandomBytes;
  /** {@link CONFKEY_TIMINGS} by default. */
  readonly timings?: Partial<ConfkeyTimings>;
}

/** What became of a message: `ignored` when it was not from who may say it, or nobody had to do anything. */
export type ConfkeyOutcome = 'accepted' | 'ignored';

interface EarlyMessage {
  readonly sender: MemberId;
  readonly keys: readonly IndexedKey[];
  readonly until: NowMs;
}

/**
 * Keys as the clients of Wire exchange them: the first member in the participant list makes them and gives them to all
 * others in CONFKEY messages through the conversation. Between messages everyone hashes the key forward, so that
 * who joins cannot read what was before; when someone leaves there is a fresh key, so that who left cannot read what follows.
 */
export class ConfkeyProvider implements KeyProvider {
  readonly forwardHashing = true;
  readonly countersNeverRestart = false;
  readonly #crypto: MediaCrypto;
  readonly #options: ConfkeyProviderOptions;
  readonly #timings: ConfkeyTimings;
  readonly #changes: KeyChange[] = [];
  readonly #messages: KeyMessage[] = [];
  readonly #keys = new Map<number, Uint8Array>();
  readonly #answeredAt = new Map<string, NowMs>();
  #early: EarlyMessage[] = [];
  #roster: KeyRoster | undefined;
  #generator: KeyParticipant | undefined;
  #current: number | undefined;
  #pending: { readonly index: number; readonly at: NowMs } | undefined;
  #rotateAt: NowMs | undefined;
  #announceRotation = false;
  #request: { readonly at: NowMs; readonly count: number } | undefined;
  #requestedAt = Number.NEGATIVE_INFINITY;
  #jumpedAt = Number.NEGATIVE_INFINITY;
  #forget: { readonly below: number; readonly at: NowMs } | undefined;
  /** Keys below have served and are not taken again, whoever repeats them. */
  #floor = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(crypto: MediaCrypto, options: ConfkeyProviderOptions) {
    this.#crypto = crypto;
    this.#options = options;
    this.#timings = { ...CONFKEY_TIMINGS, ...options.timings };
  }

  /** Whether the own device makes the keys, by the last list. */
  get isGenerator(): boolean {
    return this.#generator?.userHash === this.#options.userHash;
  }

  /** Index of the key that seals. */
  get currentIndex(): number | undefined {
    return this.#current;
  }

  /** A participant list came, or the conversation's members changed: `roster` has the own device as a member too. */
  handleRoster(now: NowMs, roster: KeyRoster): Promise<void> {
    return this.#inOrder(() => this.#handleRoster(now, roster));
  }

  /**
   * A CONFKEY came from this device; the pipe vouches for the sender. Rejects with `FormatError` (see `parseConfkey`) if it
   * is none. Keys count from the generator only, requests from members in the list only.
   */
  handleMessage(now: NowMs, sender: MemberId, text: string): Promise<ConfkeyOutcome> {
    return this.#inOrder(async () => this.#handleMessage(now, sender, text));
  }

  handleTimeout(now: NowMs): Promise<void> {
    return this.#inOrder(() => this.#handleTimeout(now));
  }

  handleKeySeen(now: NowMs, index: number): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#current === undefined || index <= this.#current) return;
      if (await this.#hashTo(index)) this.#use(now, index);
    });
  }

  handleUnopened(now: NowMs, frame: UnopenedFrame): Promise<void> {
    return this.#inOrder(() => this.#handleUnopened(now, frame));
  }

  pollTimeout(): NowMs | undefined {
    let earliest: NowMs | undefined;
    for (const at of [this.#pending?.at, this.#rotateAt, this.#request?.at, this.#forget?.at]) {
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at;
    }
    return earliest;
  }

  pollChange(): KeyChange | undefined {
    return this.#changes.shift();
  }

  pollTransmit(): KeyMessage | undefined {
    return this.#messages.shift();
  }

  async #handleRoster(now: NowMs, roster: KeyRoster): Promise<void> {
    const before = acceptedHashes(this.#roster);
    const after = acceptedHashes(roster);
    const someoneLeft = [...before].some((hash) => !after.has(hash));
    const someoneJoined = [...after].some((hash) => !before.has(hash) && hash !== this.#options.userHash);
    const former = this.#generator;
    this.#roster = roster;
    this.#generator = keyGenerator(roster);
    const changed = former?.userHash !== this.#generator?.userHash;
    this.#forgetAnswers();
    if (!this.isGenerator) {
      if (changed || someoneLeft || this.#current === undefined) this.#expectKeys(now);
      this.#takeEarly(now);
      return;
    }
    this.#request = undefined;
    this.#early = [];
    const justBecame = changed && former !== undefined;
    if (this.#current === undefined || someoneLeft) await this.#makeFresh(now, justBecame);
    else if (someoneJoined || changed) this.#announce(now);
  }

  #handleMessage(now: NowMs, sender: MemberId, text: string): ConfkeyOutcome {
    const message = parseConfkey(text);
    if (!message.response) return this.#answer(now, sender);
    if (sameMember(this.#options.member, sender)) return 'ignored';
    if (!this.isGenerator && sameMember(this.#generator?.member, sender)) {
      this.#accept(now, message.keys);
      return 'accepted';
    }
    // The sender may have seen a list that makes it the generator a moment before us.
    this.#early = this.#early.filter((early) => early.until > now && !sameMember(early.sender, sender));
    if (this.#early.length >= MAX_EARLY_MESSAGES) this.#early.shift();
    this.#early.push({ sender, keys: message.keys, until: now + EARLY_MESSAGE_MS });
    return 'ignored';
  }

  async #handleTimeout(now: NowMs): Promise<void> {
    if (this.#pending !== undefined && this.#pending.at <= now) this.#use(now, this.#pending.index);
    if (this.#rotateAt !== undefined && this.#rotateAt <= now) await this.#rotate(now);
    if (this.#forget !== undefined && this.#forget.at <= now) this.#forgetFormer(this.#forget.below);
    if (this.#request !== undefined && this.#request.at <= now) this.#sendRequest(now, this.#request.count);
  }

  async #handleUnopened(now: NowMs, { reason, keyIndex }: UnopenedFrame): Promise<void> {
    if (this.#roster === undefined) return;
    const highest = this.#highest();
    if (reason === 'bad-tag') {
      // Two devices made a key of one index, both taking themselves for the generator: the list decides.
      const quiet = now - this.#requestedAt >= this.#timings.maxRequestMs;
      if (!this.isGenerator && this.#request === undefined && quiet) this.#sendRequest(now, 0);
      return;
    }
    const known = highest !== undefined && (keyIndex <= highest || canHashForward(highest, keyIndex));
    if (known) return;
    if (!this.isGenerator) {
      if (now - this.#requestedAt >= this.#timings.requestMs)
        this.#sendRequest(now, this.#request?.count ?? 0);
      return;
    }
    // Others are ahead, under a generator before us whose keys never arrived. They follow a higher index only.
    const jump = keyGeneration(keyIndex) - keyGeneration(highest ?? 0);
    if (jump > MAX_GENERATION_JUMP || now - this.#jumpedAt < this.#timings.firstRotationMs) return;
    this.#jumpedAt = now;
    await this.#makeFresh(now, true, keyIndex);
  }

  /** Makes a fresh key, gives it to all and uses it: at once if there was none, else when all had time to receive it. */
  async #makeFresh(now: NowMs, justBecame: boolean, above?: number): Promise<void> {
    const highest = above ?? this.#highest() ?? (justBecame ? 0 : undefined);
    const index = freshKeyIndex(highest, justBecame);
    if (index === undefined || this.#roster === undefined) return;
    const random = this.#options.random(SESSION_KEY_LENGTH);
    const salt = encodeRosterSalt(this.#roster);
    this.#learn(index, await deriveFreshSessionKey(this.#crypto, random, salt));
    random.fill(0);
    if (this.#current === undefined) this.#use(now, index);
    else this.#pending = { index, at: now + this.#timings.adoptionDelayMs };
    this.#announce(now);
  }

  /** Gives the keys in use to all other members, and plans the rotation that takes earlier frames from who is new. */
  #announce(now: NowMs): void {
    const others = this.#roster!.participants.filter(({ userHash }) => userHash !== this.#options.userHash);
    this.#sendKeys(others.flatMap(({ member }) => (member === undefined ? [] : [member])));
    this.#announceRotation = true;
    const first = now + this.#timings.firstRotationMs;
    this.#rotateAt = Math.min(this.#rotateAt ?? first, first);
  }

  #answer(now: NowMs, sender: MemberId): ConfkeyOutcome {
    const participant = this.#roster?.participants.find(({ member }) => sameMember(member, sender));
    if (!this.isGenerator || participant === undefined || this.#current === undefined) return 'ignored';
    const last = this.#answeredAt.get(participant.userHash) ?? Number.NEGATIVE_INFINITY;
    if (now - last < this.#timings.requestMs) return 'ignored';
    this.#answeredAt.set(participant.userHash, now);
    this.#sendKeys([sender]);
    return 'accepted';
  }

  #sendKeys(to: readonly MemberId[], first?: number): void {
    const indices = [first, this.#current, this.#pending?.index].filter((index) => index !== undefined);
    const keys: IndexedKey[] = [];
    for (const index of new Set(indices)) {
      const sessionKey = this.#keys.get(index);
      if (sessionKey !== undefined) keys.push({ index, sessionKey });
    }
    if (to.length > 0 && keys.length > 0) this.#messages.push({ to, text: this.#text(true, keys) });
  }

  #sendRequest(now: NowMs, count: number): void {
    const generator = this.#generator?.member;
    if (this.isGenerator || generator === undefined) {
      this.#request = undefined;
      return;
    }
    this.#messages.push({ to: [generator], text: this.#text(false, []) });
    this.#requestedAt = now;
    const again = this.#current === undefined || count + 1 < MAX_REQUESTS_WITH_KEYS;
    const delay = Math.min(this.#timings.requestMs * 2 ** count, this.#timings.maxRequestMs);
    this.#request = again ? { at: now + delay, count: Math.min(count + 1, 16) } : undefined;
  }

  #text(response: boolean, keys: readonly IndexedKey[]): string {
    const { userId, clientId } = this.#options.member;
    return encodeConfkey({
      type: 'CONFKEY',
      sessionId: '',
      sourceUserId: userId,
      sourceClientId: clientId,
      destinationUserId: '',
      destinationClientId: '',
      response,
      keys,
    });
  }

  #expectKeys(now: NowMs): void {
    this.#request = { at: now + this.#timings.requestMs, count: 0 };
  }

  #takeEarly(now: NowMs): void {
    const generator = this.#generator?.member;
    const early = this.#early.find(({ sender, until }) => until > now && sameMember(generator, sender));
    if (early === undefined) return;
    this.#early = this.#early.filter((message) => message !== early);
    this.#accept(now, early.keys);
  }

  #accept(now: NowMs, keys: readonly IndexedKey[]): void {
    this.#request = undefined;
    let highest = 0;
    for (const { index, sessionKey } of keys) {
      if (index < this.#floor) continue;
      this.#learn(index, sessionKey);
      highest = Math.max(highest, index);
    }
    if (this.#current === undefined) this.#use(now, keys[0]!.index);
    // Never back to a lower index: who left may know that key. A generator who is behind finds out and jumps ahead.
    const ahead = this.#pending === undefined || highest > this.#pending.index;
    if (highest > this.#current! && ahead) {
      this.#pending = { index: highest, at: now + this.#timings.adoptionDelayMs };
    }
  }

  async #rotate(now: NowMs): Promise<void> {
    this.#rotateAt = now + this.#timings.rotationMs;
    const former = this.#current;
    // A fresh key that is about to be used rotates better than a hash does.
    if (former === undefined || this.#pending !== undefined) return;
    if (!canHashForward(former, former + 1)) {
      if (this.isGenerator) await this.#makeFresh(now, false);
      return;
    }
    if (!(await this.#hashTo(former + 1))) return;
    this.#use(now, former + 1);
    if (!this.isGenerator || !this.#announceRotation) return;
    // Once more after each change of the list, for whom the first message did not reach.
    this.#announceRotation = false;
    const others = this.#roster!.participants.filter(({ userHash }) => userHash !== this.#options.userHash);
    this.#sendKeys(
      others.flatMap(({ member }) => (member === undefined ? [] : [member])),
      former,
    );
  }

  async #hashTo(index: number): Promise<boolean> {
    if (this.#keys.has(index)) return true;
    let base: number | undefined;
    for (const known of this.#keys.keys()) {
      if (canHashForward(known, index) && (base === undefined || known > base)) base = known;
    }
    if (base === undefined) return false;
    let sessionKey = this.#keys.get(base)!;
    for (let at = base; at < index; at++) {
      sessionKey = await deriveNextSessionKey(this.#crypto, sessionKey, this.#options.conversationHash);
    }
    this.#learn(index, sessionKey);
    return true;
  }

  #learn(index: number, sessionKey: Uint8Array): void {
    this.#keys.set(index, sessionKey);
    this.#changes.push({ type: 'key', index, sessionKey: Uint8Array.from(sessionKey) });
    while (this.#keys.size > MAX_STORED_KEYS) {
      const lowest = Math.min(...[...this.#keys.keys()].filter((known) => known !== this.#current));
      this.#keys.delete(lowest);
    }
  }

  #use(now: NowMs, index: number): void {
    const former = this.#current;
    this.#current = index;
    this.#changes.push({ type: 'send-with', index });
    if (this.#pending !== undefined && this.#pending.index <= index) this.#pending = undefined;
    const rotateAt = now + this.#timings.rotationMs;
    if (!this.isGenerator || !this.#announceRotation) this.#rotateAt = rotateAt;
    if (former !== undefined && keyGeneration(former) !== keyGeneration(index)) {
      const below = keyGeneration(index) * 0x10000;
      this.#forget = { below, at: now + this.#timings.formerKeysMs };
    }
  }

  #forgetFormer(below: number): void {
    this.#forget = undefined;
    this.#floor = below;
    for (const [index, sessionKey] of [...this.#keys]) {
      if (index >= below || index === this.#current) continue;
      sessionKey.fill(0);
      this.#keys.delete(index);
    }
    this.#changes.push({ type: 'forget-below', index: below });
  }

  #forgetAnswers(): void {
    const hashes = acceptedHashes(this.#roster);
    for (const hash of [...this.#answeredAt.keys()]) if (!hashes.has(hash)) this.#answeredAt.delete(hash);
  }

  #highest(): number | undefined {
    return this.#keys.size === 0 ? undefined : Math.max(...this.#keys.keys());
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work);
    // The next one does not fail because this one did; the caller has the error.
    this.#tail = done.catch(() => undefined);
    return done;
  }
}
