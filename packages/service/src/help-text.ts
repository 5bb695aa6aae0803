import { environmentName } from './load-options.ts';
import type { Option } from './option.ts';

/** What {@link renderHelp} describes. */
export interface HelpSubject {
  /** First line: how the command is called. */
  readonly usage: string;
  /** One or two sentences on what it does. */
  readonly summary: string;
  readonly options: Readonly<Record<string, Option<unknown>>>;
  readonly environmentPrefix: string;
}

const COLUMN = 6;
const WIDTH = 96;

/** The help text of a command, from its declarations. Ends with a line feed. */
export function renderHelp(subject: HelpSubject): string {
  const lines = [`Usage: ${subject.usage}`, '', ...wrap(subject.summary, WIDTH, 0), '', 'Options:'];
  const ignored: string[] = [];
  for (const [name, option] of Object.entries(subject.options)) {
    const value = option.takes === 'nothing' ? '' : ` ${option.valueName}`;
    const short = option.short === undefined ? '    ' : `-${option.short}, `;
    const target = option.ignored === undefined ? lines : ignored;
    target.push(`  ${short}--${name}${value}`);
    const suffix = option.shownDefault === '' ? '' : ` Default: ${option.shownDefault}.`;
    target.push(...wrap(option.doc + suffix, WIDTH, COLUMN));
  }
  lines.push('  -h, --help', ...wrap('Print this text and exit.', WIDTH, COLUMN));
  if (ignored.length > 0) lines.push('', 'Accepted for old command lines, without effect:', ...ignored);
  const example = Object.keys(subject.options)[0];
  if (example !== undefined) {
    lines.push(
      '',
      ...wrap(
        `Every option can also be set by an environment variable (${environmentName(subject.environmentPrefix, example)}, ...) ` +
          'or by its long name as a key of the configuration file. Flags win over the environment, the environment over the file.',
        WIDTH,
        0,
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}

function wrap(text: string, width: number, indent: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(' '.repeat(indent) + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  if (line !== '') lines.push(' '.repeat(indent) + line);
  return lines;
}
