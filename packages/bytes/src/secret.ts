/**
 * A value that must never be printed: logging, string conversion and JSON all show `[secret]`.
 * Only {@link Secret.reveal} gives it away, so every use can be found by searching for that word.
 */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }
}
