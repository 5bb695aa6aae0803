import type { IcePath } from './ice-path.ts';

/**
 * Where an agent stands. `new` until `setRemote`; `checking` until the first valid path; `connected` while the
 * selected path answers; `disconnected` while it does not, or while there is none; `failed` for good.
 */
export type IceState = 'new' | 'checking' | 'connected' | 'disconnected' | 'failed';

/** What an agent tells its owner. */
export type IceEvent =
  | { readonly type: 'state'; readonly state: IceState }
  | {
      /** The sets to accept from and to send to; replaces what the last such event said. */
      readonly type: 'paths-changed';
      readonly valid: readonly IcePath[];
      readonly selected: IcePath | undefined;
    }
  | { readonly type: 'round-trip'; readonly roundTripMs: number };
