import { describe, expect, it } from 'vitest';
import { cleanName, MAX_NAME_LENGTH, Preferences } from './preferences.ts';

function memoryStorage() {
  const kept = new Map<string, string>();
  return {
    kept,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
}

describe('preferences', () => {
  it('leave nothing on the device unless something was chosen', () => {
    const storage = memoryStorage();
    const preferences = new Preferences(storage);
    preferences.setTheme('dark');
    preferences.setTheme('system');
    preferences.setShortcuts(false);
    preferences.setShortcuts(true);
    preferences.remember({ name: 'Ada' });
    preferences.remember(undefined);
    expect(storage.kept.size).toBe(0);
  });

  it('come back on the next visit', () => {
    const storage = memoryStorage();
    const first = new Preferences(storage);
    first.setTheme('dark');
    first.setShortcuts(false);
    first.remember({ name: 'Ada', cameraId: 'c' });
    const second = new Preferences(storage);
    expect(second.theme.value).toBe('dark');
    expect(second.shortcuts.value).toBe(false);
    expect(second.recall()).toMatchObject({ name: 'Ada', cameraId: 'c' });
  });

  it('survive a storage that refuses and one that holds nonsense', () => {
    const refuse = () => {
      throw new Error('no storage here');
    };
    const refusing = new Preferences({ getItem: refuse, setItem: refuse, removeItem: refuse });
    refusing.setTheme('light');
    expect(refusing.theme.value).toBe('light');
    const storage = memoryStorage();
    storage.kept.set('conclave.remembered', '{');
    expect(new Preferences(storage).recall()).toBeUndefined();
    storage.kept.set('conclave.remembered', '{"name":7,"cameraId":[]}');
    expect(new Preferences(storage).recall()).toMatchObject({ name: '', cameraId: undefined });
  });
});

describe('a name', () => {
  it('is one line without control characters and not too long', () => {
    expect(cleanName('  Ada\u202e \n Lovelace\u0000 ')).toBe('Ada Lovelace');
    expect(cleanName('x'.repeat(200))).toHaveLength(MAX_NAME_LENGTH);
    expect([...cleanName('🦉'.repeat(200))]).toHaveLength(MAX_NAME_LENGTH);
  });
});
