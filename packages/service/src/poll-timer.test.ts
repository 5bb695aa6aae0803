import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PollTimer } from './poll-timer.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function start(): { timer: PollTimer; due: () => number } {
  let count = 0;
  const timer = new PollTimer(
    () => performance.now(),
    () => {
      count += 1;
    },
  );
  return { timer, due: () => count };
}

test('runs once, at the time it was told last', () => {
  const { timer, due } = start();
  const now = performance.now();
  timer.arm(now + 50);
  timer.arm(now + 100);
  vi.advanceTimersByTime(99);
  expect(due()).toBe(0);
  vi.advanceTimersByTime(2);
  expect(due()).toBe(1);
  vi.advanceTimersByTime(1000);
  expect(due()).toBe(1);
});

test('the same time may be set again after it has passed', () => {
  const { timer, due } = start();
  const at = performance.now() + 10;
  timer.arm(at);
  vi.advanceTimersByTime(20);
  timer.arm(at);
  vi.advanceTimersByTime(1);
  expect(due()).toBe(2);
});

test('nothing runs after it was stopped', () => {
  const { timer, due } = start();
  timer.arm(performance.now() + 10);
  timer.stop();
  vi.advanceTimersByTime(1000);
  expect(due()).toBe(0);
});
