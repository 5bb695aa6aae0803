import { describe, expect, it } from 'vitest';
import { commandOf, SHORTCUTS } from './shortcuts.ts';

const press = (key: string, more = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  ...more,
});

describe('keys in a call', () => {
  it('each have one command, and each command has one key', () => {
    expect(new Set(SHORTCUTS.map(([key]) => key)).size).toBe(SHORTCUTS.length);
    expect(new Set(SHORTCUTS.map(([, command]) => command)).size).toBe(SHORTCUTS.length);
    for (const [key, command] of SHORTCUTS) expect(commandOf(press(key), false)).toBe(command);
  });

  it('work with caps lock', () => {
    expect(commandOf(press('M'), false)).toBe('microphone');
  });

  it('are left to the browser with another key held, while repeating and where somebody writes', () => {
    expect(commandOf(press('c', { ctrlKey: true }), false)).toBeUndefined();
    expect(commandOf(press('h', { metaKey: true }), false)).toBeUndefined();
    expect(commandOf(press('d', { altKey: true }), false)).toBeUndefined();
    expect(commandOf(press('m', { repeat: true }), false)).toBeUndefined();
    expect(commandOf(press('m'), true)).toBeUndefined();
    expect(commandOf(press('x'), false)).toBeUndefined();
  });
});
