import { flagTitle, parseCommandLine, quote } from './command-line.ts';
import { type ConfigFileValues, readConfigFile } from './config-file.ts';
import { ConclaveError } from './error-registry.ts';
import { type Option, type OptionsFor, OptionValueError } from './option.ts';

/** Where a value came from; earlier ones win over later ones. */
export type OptionSource = 'flag' | 'environment' | 'file' | 'default';

/** The environment of a process: names to values. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything {@link loadOptions} reads. */
export interface LoadOptionsInput<V> {
  readonly options: OptionsFor<V>;
  /** Words after the command's name. */
  readonly words: readonly string[];
  readonly environment: Environment;
  /** Prefix of the environment variables, with its underscore: `CONCLAVE_SFT_`. */
  readonly environmentPrefix: string;
  /** Name of the option that names the configuration file. */
  readonly configOption?: keyof V & string;
}

/** The settings of a command and what the operator should hear about them. */
export interface LoadedOptions<V> {
  readonly values: V;
  readonly sources: Readonly<Record<keyof V & string, OptionSource>>;
  /** Sentences: flags that do nothing, environment variables that mean nothing. */
  readonly warnings: readonly string[];
}

/**
 * The settings by precedence: flags, then environment variables, then the configuration file, then defaults.
 * `undefined` when help was asked for. Throws {@link ConclaveError} with one sentence for the first thing that
 * is wrong, naming the source.
 */
export function loadOptions<V>(input: LoadOptionsInput<V>): LoadedOptions<V> | undefined {
  const options = input.options as Readonly<Record<string, Option<unknown>>>;
  const line = parseCommandLine(input.words, options);
  if (line.help) return undefined;

  const warnings: string[] = [];
  const environment = readEnvironment(input, options, warnings);
  let file: ConfigFileValues = new Map();
  if (input.configOption !== undefined) {
    const path = line.given.get(input.configOption)?.at(-1) ?? environment.get(input.configOption);
    if (path !== undefined) file = readConfigFile(path, options, input.configOption);
  }

  const values: Record<string, unknown> = {};
  const sources: Record<string, OptionSource> = {};
  for (const [name, option] of Object.entries(options)) {
    const fromFlag = line.given.get(name);
    const fromEnvironment = environment.get(name);
    const fromFile = file.get(name);
    const texts = fromFlag ?? (fromEnvironment === undefined ? fromFile : [fromEnvironment]);
    sources[name] = fromFlag
      ? 'flag'
      : fromEnvironment !== undefined
        ? 'environment'
        : fromFile
          ? 'file'
          : 'default';
    if (texts === undefined) {
      values[name] = option.fallback;
      continue;
    }
    if (option.ignored !== undefined)
      warnings.push(`${flagTitle(name, options)} has no effect: ${option.ignored}`);
    values[name] = readValue(name, option, texts, sources[name]!, input.environmentPrefix, options);
  }
  return { values: values as V, sources: sources as LoadedOptions<V>['sources'], warnings };
}

/** The environment variable of an option: prefix, then the long name in capitals with underscores. */
export function environmentName(prefix: string, name: string): string {
  return prefix + name.toUpperCase().replaceAll('-', '_');
}

function readEnvironment<V>(
  input: LoadOptionsInput<V>,
  options: Readonly<Record<string, Option<unknown>>>,
  warnings: string[],
): Map<string, string> {
  const found = new Map<string, string>();
  const known = new Set<string>();
  for (const name of Object.keys(options)) {
    const variable = environmentName(input.environmentPrefix, name);
    known.add(variable);
    const value = input.environment[variable];
    // Compose files and charts pass empty variables for settings that nobody made.
    if (value !== undefined && value !== '') found.set(name, value);
  }
  for (const variable of Object.keys(input.environment)) {
    if (!variable.startsWith(input.environmentPrefix) || known.has(variable)) continue;
    // Kubernetes gives every pod such variables for a service that happens to be called like the prefix.
    if (/_(SERVICE_(HOST|PORT.*)|PORT(_.*)?)$/.test(`_${variable.slice(input.environmentPrefix.length)}`))
      continue;
    warnings.push(`the environment variable ${quote(variable)} is no setting of this command`);
  }
  return found;
}

function readValue(
  name: string,
  option: Option<unknown>,
  texts: readonly string[],
  source: OptionSource,
  prefix: string,
  options: Readonly<Record<string, Option<unknown>>>,
): unknown {
  try {
    return option.read(texts);
  } catch (error) {
    if (!(error instanceof OptionValueError)) throw error;
    const where =
      source === 'flag'
        ? flagTitle(name, options)
        : source === 'environment'
          ? `the environment variable ${environmentName(prefix, name)}`
          : `"${name}" in the configuration file`;
    const was = option.confidential ? '' : `, not ${quote(texts.join(','))}`;
    throw new ConclaveError('CONCLAVE_OPTION_INVALID', `${where} must be ${error.message}${was}`);
  }
}
