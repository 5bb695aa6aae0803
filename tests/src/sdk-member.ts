import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { fromBase64, toBase64 } from '@conclave/bytes';
import type { ConferenceAnnouncement } from '@conclave/client';
import type { KeyMessage, MemberId } from '@conclave/e2ee';
import { CONFERENCE_SECRET_LENGTH, conversationHash, userHash } from '@conclave/econn';
import type { BundledPage } from './bundled-page.ts';
import type { Conversation } from './conversation.ts';
import { type DrivenBrowser, MeetingPage } from './meeting-page-driver.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

/** What of a CONFSTART leads to its conference. */
export interface StartedConference {
  readonly sft_url: string;
  /** Base64. */
  readonly secret: string;
}

/** A device of a conversation that uses the client library, in a page, with keys as Wire's clients exchange them. */
export class SdkMember implements MemberId {
  readonly userId: string = randomUUID();
  readonly clientId: string = randomBytes(8).toString('hex');
  /** Frequency of its voice in Hz. */
  readonly frequency: number;
  readonly #conversation: () => Conversation;
  #page: MeetingPage | undefined;
  #secret: Uint8Array = new Uint8Array();

  /** The conversation is asked for when it is needed, since it has to be told of this device first. */
  constructor(frequency: number, conversation: () => Conversation) {
    this.frequency = frequency;
    this.#conversation = conversation;
  }

  get page(): MeetingPage {
    if (this.#page === undefined) throw new Error('the page is not open yet');
    return this.#page;
  }

  async open(browser: DrivenBrowser, served: BundledPage): Promise<void> {
    const page = await MeetingPage.open(browser, served);
    this.#page = page;
    const conversation = this.#conversation();
    await page.page.exposeFunction('deliver', (json) => {
      const { to, text }: KeyMessage = JSON.parse(json);
      conversation.deliver(this, text, to);
    });
    await page.page.exposeFunction('announce', (json) => this.#announce(JSON.parse(json)));
    conversation.listen(this, ({ userId, clientId }, text) => {
      // A page that was closed meanwhile needs no messages.
      page
        .ask((meeting, [sender, message]) => meeting.receive(sender, message), [
          { userId, clientId },
          text,
        ] as const)
        .catch(() => undefined);
    });
  }

  /** Begins a conference, which the others hear of when this device is the first. */
  start(server: string): Promise<string> {
    return this.answer({
      sft_url: server,
      secret: toBase64(randomBytes(CONFERENCE_SECRET_LENGTH)),
    });
  }

  /** `joined`, or the code of the error. `sends`: a voice and a picture. */
  answer(started: StartedConference, sends = true): Promise<string> {
    const { id, members } = this.#conversation();
    this.#secret = fromBase64(started.secret);
    return this.page.ask((meeting, options) => meeting.joinGroup(options), {
      server: started.sft_url,
      conferenceId: conversationHash(this.#secret, id, sha256),
      devices: members.map(({ userId, clientId }) => ({
        ...{ userId, clientId },
        userHash: userHash(this.#secret, userId, clientId, sha256),
      })),
      self: members.indexOf(this),
      name: 'Ada',
      ...(sends && { frequency: this.frequency, colour: '#e00000' }),
    });
  }

  /** By which the server and the other participants know a device in this member's conference. */
  hashOf({ userId, clientId }: MemberId): string {
    return userHash(this.#secret, userId, clientId, sha256);
  }

  keyState(): Promise<{ readonly index?: number; readonly makesKeys: boolean }> {
    return this.page.ask((meeting) => meeting.keyState(), null);
  }

  #announce({ server, servers, timestampMs, sequenceNumber }: ConferenceAnnouncement): void {
    const conversation = this.#conversation();
    const message = {
      version: '3.0',
      type: 'CONFSTART',
      sessid: conversationHash(this.#secret, conversation.id, sha256),
      src_userid: this.userId,
      src_clientid: this.clientId,
      resp: false,
      sft_url: `${server}/`,
      secret: toBase64(this.#secret),
      timestamp: String(timestampMs),
      seqno: String(sequenceNumber),
      sfts: servers.map((url) => `${url}/`),
      props: { videosend: 'true' },
    };
    conversation.deliver(this, JSON.stringify(message));
  }
}
