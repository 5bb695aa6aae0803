import { ConclaveError } from './error-registry.ts';

/** Field names whose values are never written, in whatever case and inside whatever longer name. */
const SECRET_FIELD =
  /secret|credential|passw|pwd|authorization|cookie|token|username|private|^sdp$|^body$|^headers?$/i;

/** Runs of this many hexadecimal digits are hashes that identify users and conversations. */
const LONG_HEX = /[0-9a-fA-F]{16,}/g;

const MAX_DEPTH = 4;
const MAX_TEXT = 1024;

/**
 * A copy of log fields that is safe to write: values of secret fields become `[secret]`, long hexadecimal ids
 * keep six digits, bytes and deep structures are left out, texts are cut at 1024 characters. It is the second
 * line of defence; callers log only what they may.
 */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactObject(fields, 0);
}

/** A message that is safe to write: ids shortened, line breaks and other control characters replaced. */
export function redactText(text: string): string {
  let clean = '';
  for (const c of text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text) {
    clean += c < ' ' || c === '\x7f' || c === '\u2028' || c === '\u2029' ? ' ' : c;
  }
  return clean.replace(LONG_HEX, (digits) => `${digits.slice(0, 6)}…`);
}

/** One line about an error that nobody foresaw, safe to write where there is no logger. */
export function describeUnforeseen(error: unknown): string {
  const text =
    error instanceof Error
      ? `${error.name}: ${error.message} | ${stackOf(error)}`
      : 'thrown value that is no error';
  return `CONCLAVE_INTERNAL: ${redactText(text)}`;
}

function redactObject(fields: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    copy[name] = SECRET_FIELD.test(name) ? '[secret]' : redactValue(value, depth + 1);
  }
  return copy;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? '[function]' : value;
  if (value instanceof Error) return describeError(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if ('toJSON' in value && typeof value.toJSON === 'function') return redactValue(value.toJSON(), depth);
  if (depth >= MAX_DEPTH) return '[…]';
  if (Array.isArray(value)) return value.slice(0, 64).map((item) => redactValue(item, depth + 1));
  return redactObject(value as Record<string, unknown>, depth);
}

function describeError(error: Error): Record<string, unknown> {
  const code = (error as { code?: unknown }).code;
  return {
    type: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    message: redactText(error.message),
    // The stack of an expected error says nothing that its code does not.
    ...(error instanceof ConclaveError ? {} : { stack: redactText(stackOf(error)) }),
  };
}

/** The frames of a stack alone: its head repeats the message. */
function stackOf(error: Error): string {
  const lines = (error.stack ?? '').split('\n').map((line) => line.trim());
  return lines.filter((line) => line.startsWith('at ')).join(' | ');
}
