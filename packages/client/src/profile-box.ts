import { FormatError, toUtf8 } from '@conclave/bytes';
import type { PropertyBox } from '@conclave/e2ee';
import { type JsonValue, parseBoundedJson } from '@conclave/econn';
import type { ConnectionQuality, Profile } from './conference.ts';

/** Name of the property that the box travels in. */
export const PROFILE_PROPERTY = 'conclave';

/** Characters of a name at most, in Unicode code points. */
export const MAX_NAME_LENGTH = 200;

/** What is in a box. */
export interface BoxedProfile {
  /** Grows with every box of a participant, so that the server cannot show an older one again. */
  readonly number: number;
  readonly profile: Profile;
  readonly quality: ConnectionQuality | undefined;
}

/** Seals the own profile for the others. */
export async function sealProfile(box: PropertyBox, selfId: string, content: BoxedProfile): Promise<string> {
  const { number, profile, quality } = content;
  const text = JSON.stringify({
    n: number,
    name: cleanName(profile.name),
    hand: profile.handRaised,
    quality,
  });
  return box.seal(selfId, toUtf8(text));
}

/** Opens a participant's box. Throws `FormatError`: the codes of `PropertyBox.open` and `parseBoundedJson`, `bad-profile`. */
export async function openProfile(box: PropertyBox, id: string, text: string): Promise<BoxedProfile> {
  const bytes = await box.open(id, text);
  const json: JsonValue = parseBoundedJson(new TextDecoder().decode(bytes), { maxLength: 1024, maxDepth: 2 });
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw badProfile();
  const { n, name, hand, quality } = json as Readonly<Record<string, JsonValue | undefined>>;
  if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < 0 || typeof name !== 'string')
    throw badProfile();
  return {
    number: n,
    profile: { name: cleanName(name), handRaised: hand === true },
    quality: quality === 'good' || quality === 'fair' || quality === 'poor' ? quality : undefined,
  };
}

/** The name without what would break a line or turn the text around it, cut to {@link MAX_NAME_LENGTH}. */
export function cleanName(name: string): string {
  const plain = name.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u{202a}-\u{202e}\u{2066}-\u{2069}]/gu, ' ');
  return Array.from(plain.trim()).slice(0, MAX_NAME_LENGTH).join('').trim();
}

function badProfile(): FormatError {
  return new FormatError('bad-profile', 'the box holds no profile');
}
