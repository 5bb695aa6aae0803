/** What a key does in a call. */
export type Command =
  | 'microphone'
  | 'camera'
  | 'share'
  | 'hand'
  | 'view'
  | 'people'
  | 'devices'
  | 'invite'
  | 'safety'
  | 'help'
  | 'next-page'
  | 'previous-page'
  | 'unpin';

/** What of a keyboard event decides. */
export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly repeat: boolean;
}

/** Keys and their commands, in the order in which help lists them. */
export const SHORTCUTS: readonly (readonly [key: string, command: Command])[] = [
  ['m', 'microphone'],
  ['c', 'camera'],
  ['s', 'share'],
  ['h', 'hand'],
  ['v', 'view'],
  ['p', 'people'],
  ['d', 'devices'],
  ['i', 'invite'],
  ['k', 'safety'],
  ['ArrowRight', 'next-page'],
  ['ArrowLeft', 'previous-page'],
  ['Escape', 'unpin'],
  ['?', 'help'],
];

const commands = new Map<string, Command>(SHORTCUTS);

/** The command of a key, or undefined: with another key held, while repeating, or where somebody writes. */
export function commandOf(press: KeyPress, writing: boolean): Command | undefined {
  if (writing || press.repeat || press.ctrlKey || press.metaKey || press.altKey) return undefined;
  return commands.get(press.key.length === 1 ? press.key.toLowerCase() : press.key);
}
