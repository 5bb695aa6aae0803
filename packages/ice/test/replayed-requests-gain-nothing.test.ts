import type { IcePath } from '@conclave/ice';
import { expect, it } from 'vitest';
import { AgentUnderTest, mainPath } from './scripted-peer.ts';

const thief: IcePath = { ...mainPath, address: '203.0.113.66', port: 666 };

it('a captured check that is sent again from elsewhere makes no path valid', () => {
  const test = new AgentUnderTest().connect();
  const captured = test.request();
  expect(test.receive(captured)).toBe(true);
  const before = test.sent.length;
  expect(test.receive(captured, thief)).toBe(true);
  for (let i = 0; i < 20; i++) {
    test.advance(500);
    const last = test.lastRequest();
    // The real peer answers on its path; the thief knows no password and can only sign with a guess.
    if (test.sent.at(-1)?.path.address === mainPath.address) test.receive(test.answerTo(last));
    else test.receive(test.answerTo(last, 'guessPWDguessPWDguessPWD'), thief);
  }
  expect(test.agent.validPaths).toEqual([mainPath]);
  expect(test.agent.selectedPath).toEqual(mainPath);
  expect(test.agent.state).toBe('connected');
  const toThief = test.sent.slice(before).filter((s) => s.path.address === thief.address);
  // One answer, and one check with its repetitions.
  expect(toThief.length).toBeLessThanOrEqual(9);
});

it('a captured nomination that is sent again does not turn a controlled agent back', () => {
  const test = new AgentUnderTest({ role: 'controlled' }).start();
  const captured = test.request({ useCandidate: true });
  test.receive(captured);
  test.receive(test.answerTo(test.lastRequest()));
  expect(test.receive(captured, thief)).toBe(true);
  test.advance(5000);
  expect(test.agent.selectedPath).toEqual(mainPath);
  expect(test.agent.validPaths).toEqual([mainPath]);
});
