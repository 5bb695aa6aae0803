import { ConclaveError } from './error-registry.ts';
import type { Option } from './option.ts';

/** What a command line says, before any value is understood. */
export interface CommandLine {
  /** Texts given for each long option name, in order; a switch given alone has the text `true`. */
  readonly given: ReadonlyMap<string, readonly string[]>;
  /** `--help` or `-h` was among the words; everything else is then without effect. */
  readonly help: boolean;
}

/**
 * Splits a command line in the manner of getopt: `-p 8585`, `-p8585`, `-qv`, `--listen-port 8585`,
 * `--listen-port=8585`, `--no-quiet`. The order of flags does not matter. A one-valued flag given twice has
 * the later value. Throws {@link ConclaveError} for unknown flags, missing values and stray words.
 */
export function parseCommandLine(
  words: readonly string[],
  options: Readonly<Record<string, Option<unknown>>>,
): CommandLine {
  const byShort = new Map<string, string>();
  for (const [name, option] of Object.entries(options)) {
    if (option.short !== undefined) byShort.set(option.short, name);
  }
  const given = new Map<string, string[]>();
  const add = (name: string, text: string): void => {
    const texts = given.get(name);
    if (texts) texts.push(text);
    else given.set(name, [text]);
  };
  const isFlag = (word: string): boolean =>
    word.startsWith('--') ? longName(word, options) !== undefined : byShort.has(word.slice(1, 2));

  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--help' || word === '-h') return { given: new Map(), help: true };
    const next = (name: string): string => {
      const value = words[i + 1];
      if (value === undefined || (value.startsWith('-') && value.length > 1 && isFlag(value))) {
        throw new ConclaveError('CONCLAVE_FLAG_VALUE_MISSING', `${flagTitle(name, options)} needs a value`);
      }
      i++;
      return value;
    };
    if (word.startsWith('--')) readLong(word, options, add, next);
    else if (word.startsWith('-') && word.length > 1) readShort(word, options, byShort, add, next);
    else throw new ConclaveError('CONCLAVE_ARGUMENT_UNEXPECTED', `unexpected argument ${quote(word)}`);
  }
  return { given, help: false };
}

/** How messages name an option: `-p (--listen-port)`. */
export function flagTitle(name: string, options: Readonly<Record<string, Option<unknown>>>): string {
  const short = Object.hasOwn(options, name) ? options[name]!.short : undefined;
  return short === undefined ? `--${name}` : `-${short} (--${name})`;
}

/** A word of the user for a message: cut short, control characters replaced. */
export function quote(word: string): string {
  const clean = Array.from(word.slice(0, 60), (c) => (c < ' ' || c === '\x7f' ? '?' : c)).join('');
  return word.length > 60 ? `"${clean}…"` : `"${clean}"`;
}

type Add = (name: string, text: string) => void;
type Next = (name: string) => string;

function readLong(
  word: string,
  options: Readonly<Record<string, Option<unknown>>>,
  add: Add,
  next: Next,
): void {
  const found = longName(word, options);
  if (!found) throw unknownFlag(word.split('=', 1)[0]!);
  const { name, negated, value } = found;
  const option = options[name]!;
  if (option.takes !== 'nothing') {
    add(name, value ?? next(name));
  } else if (value === undefined) {
    add(name, negated ? 'false' : 'true');
  } else if (!negated && (value === 'true' || value === 'false')) {
    add(name, value);
  } else {
    throw new ConclaveError('CONCLAVE_FLAG_VALUE_UNEXPECTED', `${flagTitle(name, options)} takes no value`);
  }
}

function readShort(
  word: string,
  options: Readonly<Record<string, Option<unknown>>>,
  byShort: ReadonlyMap<string, string>,
  add: Add,
  next: Next,
): void {
  for (let at = 1; at < word.length; at++) {
    const name = byShort.get(word.charAt(at));
    if (name === undefined) throw unknownFlag(`-${word.charAt(at)}`);
    if (options[name]!.takes === 'nothing') {
      add(name, 'true');
      continue;
    }
    add(name, at + 1 < word.length ? word.slice(at + 1) : next(name));
    return;
  }
}

function longName(
  word: string,
  options: Readonly<Record<string, Option<unknown>>>,
): { name: string; negated: boolean; value: string | undefined } | undefined {
  const equals = word.indexOf('=');
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const value = equals < 0 ? undefined : word.slice(equals + 1);
  if (Object.hasOwn(options, name)) return { name, negated: false, value };
  const positive = name.startsWith('no-') ? name.slice(3) : '';
  if (Object.hasOwn(options, positive) && options[positive]!.takes === 'nothing') {
    return { name: positive, negated: true, value };
  }
  return undefined;
}

function unknownFlag(flag: string): ConclaveError {
  return new ConclaveError('CONCLAVE_FLAG_UNKNOWN', `unknown flag ${quote(flag)}`);
}
