/**
 * Bytes or text from a peer that are not what their format demands. Edges turn it into a counted drop or a
 * protocol error; it never ends the process. `code` names the reason in a few words fit for a metric label.
 */
export class FormatError extends Error {
  /** Short, stable reason in kebab case, for counters. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'FormatError';
    this.code = code;
  }
}
