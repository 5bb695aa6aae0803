import { canonicalIp } from '@conclave/bytes';

/**
 * One setting of a command, declared once: the flag, the environment variable, the key of the configuration
 * file and the line of the help text all come from here.
 */
export interface Option<T> {
  /** One-letter flag without the hyphen. */
  readonly short: string | undefined;
  /** What the setting does, one or two sentences for the help text. */
  readonly doc: string;
  /** Whether the flag stands alone, takes a value, or takes values and may be repeated or comma-separated. */
  readonly takes: 'nothing' | 'one' | 'several';
  /** Name of the value in the help text, upper case. */
  readonly valueName: string;
  /** Value when nobody gave one. */
  readonly fallback: T;
  /** The default as the help text shows it; empty to show none. */
  readonly shownDefault: string;
  /** Set for a flag that is accepted for the sake of old command lines: the sentence that warns of it. */
  readonly ignored: string | undefined;
  /** The value must not be shown in any message. */
  readonly confidential: boolean;
  /** The value of the texts that were given. Throws {@link OptionValueError} with what is accepted. */
  readonly read: (texts: readonly string[]) => T;
}

/** Declarations for all settings of a command; the keys are the long flag names. */
export type OptionsFor<V> = { readonly [K in keyof V]: Option<V[K]> };

/** A text that an option does not accept. The message completes the sentence "option X must be ...". */
export class OptionValueError extends Error {
  constructor(accepted: string) {
    super(accepted);
    this.name = 'OptionValueError';
  }
}

/** What the makers of options below have in common. */
export interface OptionDetails {
  readonly doc: string;
  readonly short?: string;
  readonly valueName?: string;
  readonly shownDefault?: string;
  readonly confidential?: boolean;
}

const TRUE_WORDS = new Set(['true', '1', 'yes', 'on']);
const FALSE_WORDS = new Set(['false', '0', 'no', 'off']);

/** A switch; off unless given. */
export function switchOption(details: OptionDetails): Option<boolean> {
  return declare(details, 'nothing', false, (texts) => {
    const text = last(texts).toLowerCase();
    if (TRUE_WORDS.has(text)) return true;
    if (FALSE_WORDS.has(text)) return false;
    throw new OptionValueError('true or false');
  });
}

/** A whole number in a range, both ends included. */
export function integerOption(
  details: OptionDetails & { readonly min: number; readonly max: number; readonly fallback: number },
): Option<number> {
  return declare({ valueName: 'N', ...details }, 'one', details.fallback, (texts) => {
    const text = last(texts);
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= details.min && value <= details.max)) {
      throw new OptionValueError(`a whole number from ${details.min} to ${details.max}`);
    }
    return value;
  });
}

/** A TCP or UDP port to listen on; 0 lets the system choose. */
export function portOption(details: OptionDetails & { readonly fallback: number }): Option<number> {
  return integerOption({ valueName: 'PORT', ...details, min: 0, max: 65535 });
}

/** Any text, limited in length; `check` narrows it and returns what is accepted when the text is wrong. */
export function textOption(
  details: OptionDetails & { readonly check?: (text: string) => string | undefined },
): Option<string | undefined> {
  return declare({ valueName: 'TEXT', ...details }, 'one', undefined, (texts) =>
    checkText(last(texts), details.check),
  );
}

/** One of a few words. */
export function choiceOption<T extends string>(
  details: OptionDetails & { readonly choices: readonly T[]; readonly fallback: T },
): Option<T> {
  return declare({ valueName: details.choices.join('|'), ...details }, 'one', details.fallback, (texts) => {
    const found = details.choices.find((choice) => choice === last(texts));
    if (found === undefined) throw new OptionValueError(`one of ${details.choices.join(', ')}`);
    return found;
  });
}

/** Texts; the flag may be repeated, and one value may hold several separated by commas. */
export function listOption(
  details: OptionDetails & {
    readonly fallback?: readonly string[];
    readonly maxItems?: number;
    readonly check?: (text: string) => string | undefined;
  },
): Option<readonly string[]> {
  const maxItems = details.maxItems ?? 64;
  return declare({ valueName: 'LIST', ...details }, 'several', details.fallback ?? [], (texts) => {
    const parts = texts
      .flatMap((text) => text.split(','))
      .map((item) => item.trim())
      .filter((item) => item !== '');
    const items = [...new Set(parts)];
    if (items.length > maxItems) throw new OptionValueError(`a list of at most ${maxItems}`);
    return items.map((item) => checkText(item, details.check));
  });
}

/** A flag of old command lines that does nothing; `warning` says so and why. */
export function ignoredOption(
  details: OptionDetails & { readonly takes: 'nothing' | 'one'; readonly warning: string },
): Option<undefined> {
  return { ...declare(details, details.takes, undefined, () => undefined), ignored: details.warning };
}

/** Check for {@link textOption}: an IPv4 or IPv6 address. */
export function acceptIpAddress(text: string): string | undefined {
  return canonicalIp(text) === undefined ? 'an IPv4 or IPv6 address' : undefined;
}

function checkText(text: string, check: ((text: string) => string | undefined) | undefined): string {
  if (text === '' || text.length > 4096 || hasControlCharacter(text)) {
    throw new OptionValueError('a text of 1 to 4096 characters without control characters');
  }
  const accepted = check?.(text);
  if (accepted !== undefined) throw new OptionValueError(accepted);
  return text;
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function last(texts: readonly string[]): string {
  return texts.at(-1) ?? '';
}

function declare<T>(
  details: OptionDetails,
  takes: Option<T>['takes'],
  fallback: T,
  read: (texts: readonly string[]) => T,
): Option<T> {
  const shown = Array.isArray(fallback) ? fallback.join(',') : fallback === undefined ? '' : String(fallback);
  return {
    short: details.short,
    doc: details.doc,
    takes,
    valueName: details.valueName ?? 'VALUE',
    fallback,
    shownDefault: details.shownDefault ?? (takes === 'nothing' ? '' : shown),
    ignored: undefined,
    confidential: details.confidential ?? false,
    read,
  };
}
