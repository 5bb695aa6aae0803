import { cleanName } from './preferences.ts';

/** How somebody was in a call, to return to it after a reload of the page. Never the link nor a passphrase. */
export interface RememberedCall {
  readonly name: string;
  readonly muted: boolean;
  readonly camera: boolean;
}

const KEY = 'conclave.call';

/** Remembers for one tab, and only for as long as the tab lives, that it is in a call. */
export class CallMemory {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined;

  constructor(storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined) {
    this.#storage = storage;
  }

  /** In a call from now on. `mark` is what {@link markOf} gives for its link. */
  keep(mark: string, call: RememberedCall): void {
    try {
      this.#storage?.setItem(KEY, JSON.stringify({ mark, ...call }));
    } catch {
      // Without a storage a reload ends at the door of the meeting, which is bearable.
    }
  }

  /** The call of this link that the page was in, if it was. */
  recall(mark: string): RememberedCall | undefined {
    try {
      const value = JSON.parse(this.#storage?.getItem(KEY) ?? 'null') as Record<string, unknown> | null;
      if (value?.mark !== mark || typeof value.name !== 'string') return undefined;
      return { name: cleanName(value.name), muted: value.muted !== false, camera: value.camera === true };
    } catch {
      return undefined;
    }
  }

  /** Left. */
  forget(): void {
    try {
      this.#storage?.removeItem(KEY);
    } catch {
      // Nothing was kept then.
    }
  }
}

/** Stands for a link without telling it: part of its SHA-256. */
export async function markOf(fragment: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(fragment));
  return Array.from(new Uint8Array(hash, 0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
