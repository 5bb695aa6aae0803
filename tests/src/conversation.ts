import { randomUUID } from 'node:crypto';
import { type MemberId, sameMember } from '@conclave/e2ee';

type Listener = (from: MemberId, text: string) => void;

/** A conversation and the messaging backend between its devices: messages go to all others, or to those named. */
export class Conversation {
  readonly id: string = randomUUID();
  /** All devices, also those that are in no call. */
  readonly members: readonly MemberId[];
  /** Every message that was sent, oldest first. */
  readonly sent: { readonly from: MemberId; readonly text: string }[] = [];
  readonly #listeners = new Map<MemberId, Listener>();

  constructor(members: readonly MemberId[]) {
    this.members = members;
  }

  /** What is sent to this device from now on goes to the listener. */
  listen(device: MemberId, listener: Listener): void {
    this.#listeners.set(device, listener);
  }

  deliver(from: MemberId, text: string, to: readonly MemberId[] = this.members): void {
    this.sent.push({ from, text });
    for (const [device, listener] of this.#listeners) {
      if (!sameMember(from, device) && to.some((wanted) => sameMember(device, wanted))) listener(from, text);
    }
  }

  /** The newest message of that type, if any. */
  newest(type: string): Record<string, unknown> | undefined {
    const found = this.sent.findLast(({ text }) => JSON.parse(text).type === type);
    return found && JSON.parse(found.text);
  }
}
