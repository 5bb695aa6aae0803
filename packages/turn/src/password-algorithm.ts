import { ByteWriter, FormatError, type Hash } from '@conclave/bytes';

/** How a long-term key is made of username, realm and password (RFC 8489 §18.5). */
export type PasswordAlgorithm = 'md5' | 'sha256';

/** Numbers of the registry in RFC 8489 §18.5. */
export const passwordAlgorithmNumbers: Readonly<Record<PasswordAlgorithm, number>> = { md5: 1, sha256: 2 };

/** The two hashes a long-term key may be made with. */
export interface KeyHashes {
  readonly md5: Hash;
  readonly sha256: Hash;
}

/** Value of PASSWORD-ALGORITHMS, or with one entry of PASSWORD-ALGORITHM (RFC 8489 §14.11, §14.12). */
export function encodePasswordAlgorithms(algorithms: readonly PasswordAlgorithm[]): Uint8Array {
  const out = new ByteWriter(4 * algorithms.length);
  for (const algorithm of algorithms) out.u16(passwordAlgorithmNumbers[algorithm]).u16(0);
  return out.finish();
}

/**
 * Numbers listed in PASSWORD-ALGORITHMS or PASSWORD-ALGORITHM, unknown ones included. Throws
 * {@link FormatError} `bad-password-algorithms` when the value is cut short or empty.
 */
export function decodePasswordAlgorithms(value: Uint8Array): number[] {
  const numbers: number[] = [];
  let at = 0;
  while (at < value.length) {
    if (at + 4 > value.length) throw badList();
    numbers.push((value[at]! << 8) | value[at + 1]!);
    const length = (value[at + 2]! << 8) | value[at + 3]!;
    at += 4 + ((length + 3) & ~3);
  }
  if (at !== value.length || numbers.length === 0) throw badList();
  return numbers;
}

function badList(): FormatError {
  return new FormatError('bad-password-algorithms', 'password algorithms cut short');
}
