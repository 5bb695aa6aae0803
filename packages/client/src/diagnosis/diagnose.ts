import { testCamera, testMicrophone } from './device-steps.ts';
import {
  type DiagnoseOptions,
  type DiagnosisReport,
  type DiagnosisStepId,
  turnStepIds,
} from './diagnosis.ts';
import { browserDiagnosisPlatform, type DiagnosisPlatform } from './diagnosis-platform.ts';
import { ReportBoard } from './diagnosis-report.ts';
import type { StepContext, StepOutcome } from './diagnosis-step.ts';
import { testChannel, testConference, testQuality, testTcp, testUdp } from './network-steps.ts';
import { testServer } from './server-step.ts';
import { findTurnWays, testTurn } from './turn-steps.ts';

const tests: Readonly<Record<DiagnosisStepId, (context: StepContext) => Promise<StepOutcome>>> = {
  encryption: async ({ platform }) => ({ finding: platform.obstacle ?? 'encryption-supported' }),
  microphone: testMicrophone,
  camera: testCamera,
  server: testServer,
  conference: testConference,
  udp: testUdp,
  tcp: testTcp,
  'turn-udp': (context) => testTurn(context, 'turn-udp'),
  'turn-tcp': (context) => testTurn(context, 'turn-tcp'),
  'turn-tls': (context) => testTurn(context, 'turn-tls'),
  channel: testChannel,
  quality: testQuality,
};

/** What has to have passed before a step makes sense: one of each list. */
const needs: Readonly<Record<DiagnosisStepId, readonly (readonly DiagnosisStepId[])[]>> = {
  encryption: [],
  microphone: [],
  camera: [],
  server: [],
  conference: [['server']],
  udp: [['conference']],
  tcp: [['conference']],
  'turn-udp': [['conference']],
  'turn-tcp': [['conference']],
  'turn-tls': [['conference']],
  channel: [['udp', 'tcp', ...turnStepIds]],
  quality: [['channel']],
};

/** {@link Diagnose} on a platform; default the browser's page. */
export async function* diagnose(
  options: DiagnoseOptions,
  platform: DiagnosisPlatform = browserDiagnosisPlatform(),
): AsyncGenerator<DiagnosisReport, void, undefined> {
  const end = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, end.signal]) : end.signal;
  const context: StepContext = {
    platform,
    options,
    server: options.server.replace(/\/+$/, ''),
    signal,
    offered: undefined,
    connected: undefined,
    turnWays: [],
    mediaAddresses: { udp: [], tcp: [] },
  };
  const board = new ReportBoard({
    startedAt: platform.wallClock(),
    browser: platform.browser,
    server: context.server,
    mediaAddresses: () => context.mediaAddresses,
    turnWays: () => context.turnWays,
  });
  try {
    yield board.report();
    // Without WebRTC or HTTPS the browser has neither devices nor connections to test.
    const crippled = platform.obstacle === 'insecure-page' || platform.obstacle === 'webrtc-missing';
    for (let id = board.next(); id !== undefined; id = board.next()) {
      const possible =
        id === 'encryption' ||
        (!crippled && needs[id].every((ids) => ids.some((needed) => board.is(needed, 'passed'))));
      if (!possible) {
        board.end(id, { finding: 'skipped-after-failure' }, 0);
        yield board.report();
        continue;
      }
      board.start(id);
      yield board.report();
      const startedAt = platform.now();
      const outcome = await tests[id](context);
      if (signal.aborted) return;
      board.end(id, outcome, platform.now() - startedAt);
      if (id === 'server' && board.is(id, 'passed')) {
        context.turnWays = await findTurnWays(context);
        board.addBehind(
          'tcp',
          context.turnWays.map((way) => way.id),
        );
      }
      yield board.report();
    }
  } finally {
    end.abort();
    await context.connected?.close();
    await context.offered?.close();
  }
}
