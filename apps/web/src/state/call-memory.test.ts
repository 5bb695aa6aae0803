import { describe, expect, it } from 'vitest';
import { CallMemory, markOf } from './call-memory.ts';

function memoryStorage() {
  const kept = new Map<string, string>();
  return {
    kept,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
}

describe('the memory of a call', () => {
  it('returns to the same meeting, and to no other', async () => {
    const memory = new CallMemory(memoryStorage());
    const mark = await markOf('#v=1&s=a');
    memory.keep(mark, { name: 'Ada', muted: true, camera: false });
    expect(memory.recall(mark)).toEqual({ name: 'Ada', muted: true, camera: false });
    expect(memory.recall(await markOf('#v=1&s=b'))).toBeUndefined();
    memory.forget();
    expect(memory.recall(mark)).toBeUndefined();
  });

  it('does not hold the link', async () => {
    const storage = memoryStorage();
    new CallMemory(storage).keep(await markOf('#v=1&s=SECRET'), { name: 'Ada', muted: false, camera: true });
    expect([...storage.kept.values()].join()).not.toContain('SECRET');
  });

  it('comes back muted when what was kept is damaged', () => {
    const storage = memoryStorage();
    storage.kept.set('conclave.call', '{"mark":"m","name":"Ada"}');
    expect(new CallMemory(storage).recall('m')).toEqual({ name: 'Ada', muted: true, camera: false });
    storage.kept.set('conclave.call', 'nonsense');
    expect(new CallMemory(storage).recall('m')).toBeUndefined();
  });
});
