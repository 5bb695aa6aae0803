import { describe, expect, it } from 'vitest';
import { VirtualClock } from './virtual-clock.ts';

describe('VirtualClock', () => {
  it('runs tasks by time, and those of one time in the order given', () => {
    const clock = new VirtualClock(100);
    const ran: string[] = [];
    clock.at(130, (now) => ran.push(`late ${now}`));
    clock.after(20, (now) => ran.push(`first ${now}`));
    clock.at(120, (now) => ran.push(`second ${now}`));
    clock.at(50, (now) => ran.push(`overdue ${now}`));
    clock.advanceTo(125);
    expect(ran).toEqual(['overdue 100', 'first 120', 'second 120']);
    expect(clock.now).toBe(125);
    expect(clock.nextTaskMs).toBe(130);
  });

  it('runs tasks that tasks add, and not those withdrawn', () => {
    const clock = new VirtualClock();
    let ticks = 0;
    const tick = (): void => {
      ticks++;
      clock.after(10, tick);
    };
    tick();
    const withdraw = clock.at(35, () => expect.unreachable());
    withdraw();
    clock.advanceBy(95);
    expect(ticks).toBe(10);
    expect(clock.now).toBe(95);
  });

  it('says when nothing is left', () => {
    const clock = new VirtualClock();
    clock.at(5, () => {});
    expect([clock.runNext(), clock.now, clock.runNext()]).toEqual([true, 5, false]);
  });
});
