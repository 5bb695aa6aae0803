import { readFileSync, statSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { quote } from './command-line.ts';
import { ConclaveError, causeOf } from './error-registry.ts';
import type { Option } from './option.ts';

/** Texts given for each long option name in a configuration file. */
export type ConfigFileValues = ReadonlyMap<string, readonly string[]>;

/** Longest configuration file that is read, in bytes. */
export const maxConfigFileBytes: number = 1_048_576;

/**
 * Reads a YAML mapping of long option names to values. Lists are for options that take several values. Throws
 * {@link ConclaveError} when the file cannot be read, is not such a mapping, or has a key that is no option.
 * `selfOption` is the option that named the file, which cannot be set in it.
 */
export function readConfigFile(
  path: string,
  options: Readonly<Record<string, Option<unknown>>>,
  selfOption: string,
): ConfigFileValues {
  let text: string;
  try {
    if (statSync(path).size > maxConfigFileBytes) throw Object.assign(new Error(), { code: 'too long' });
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConclaveError(
      'CONCLAVE_CONFIG_UNREADABLE',
      `cannot read the configuration file ${quote(path)} (${causeOf(cause)})`,
      { cause },
    );
  }
  return parseConfig(text, path, options, selfOption);
}

/** {@link readConfigFile} for text that is already in memory; `path` is for messages. */
export function parseConfig(
  text: string,
  path: string,
  options: Readonly<Record<string, Option<unknown>>>,
  selfOption: string,
): ConfigFileValues {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problem = document.errors[0];
  if (problem) {
    const line = lines.linePos(problem.pos[0]).line;
    throw malformed(path, `line ${line} is not valid YAML`);
  }
  const root: unknown = toPlain(document, path);
  const found = new Map<string, readonly string[]>();
  if (root === null || root === undefined) return found;
  if (typeof root !== 'object' || Array.isArray(root))
    throw malformed(path, 'it is not a mapping of names to values');
  for (const [key, value] of Object.entries(root)) {
    if (!Object.hasOwn(options, key) || key === selfOption) {
      throw new ConclaveError(
        'CONCLAVE_CONFIG_KEY_UNKNOWN',
        `the configuration file ${quote(path)} has the unknown key ${quote(key)}`,
      );
    }
    const texts = toTexts(value, options[key]!.takes === 'several');
    if (texts === undefined) throw malformed(path, `the value of ${quote(key)} is of the wrong kind`);
    if (texts.length > 0) found.set(key, texts);
  }
  return found;
}

function toPlain(document: ReturnType<typeof parseDocument>, path: string): unknown {
  try {
    // Aliases have no use in a flat mapping, and nested ones are how small files become huge.
    return document.toJS({ maxAliasCount: 0 });
  } catch {
    throw malformed(path, 'it uses aliases, which are not accepted');
  }
}

function toTexts(value: unknown, several: boolean): readonly string[] | undefined {
  if (value === null || value === undefined) return [];
  if (typeof value === 'string') return [value];
  if (typeof value === 'number' || typeof value === 'boolean') return [String(value)];
  if (several && Array.isArray(value)) {
    const texts = value.map((item) => toTexts(item, false));
    return texts.every((item) => item?.length === 1) ? texts.flatMap((item) => item ?? []) : undefined;
  }
  return undefined;
}

function malformed(path: string, reason: string): ConclaveError {
  return new ConclaveError(
    'CONCLAVE_CONFIG_MALFORMED',
    `the configuration file ${quote(path)} is wrong: ${reason}`,
  );
}
