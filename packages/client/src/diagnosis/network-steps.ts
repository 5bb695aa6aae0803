import type { StepContext, StepOutcome } from './diagnosis-step.ts';
import { TestCall, type TestTransport } from './test-call.ts';

/** Some reports of the server about what it received: it sends one every second or so. */
const MEASURE_MS = 5000;
/** Up to here nobody notices anything (ITU-T G.114 for the delay, there and back, with room for the codec). */
const GOOD_ROUND_TRIP_MS = 200;
const FAIR_ROUND_TRIP_MS = 400;
const GOOD_LOSS = 0.02;
const FAIR_LOSS = 0.08;

/** Asks for a call, and leaves its offer for the next step. */
export async function testConference(context: StepContext): Promise<StepOutcome> {
  const answer = await TestCall.request(context.platform, context.server, context.signal);
  if (answer.kind === 'refused')
    return {
      finding: answer.finding,
      ...(answer.status === undefined ? {} : { details: { status: answer.status } }),
    };
  context.offered = answer.call;
  context.mediaAddresses = { udp: answer.call.addresses('udp'), tcp: answer.call.addresses('tcp') };
  return { finding: 'conference-offered' };
}

/** Connects over UDP alone. */
export function testUdp(context: StepContext): Promise<StepOutcome> {
  return testTransport(context, 'udp');
}

/** Connects over TCP alone. */
export function testTcp(context: StepContext): Promise<StepOutcome> {
  return testTransport(context, 'tcp');
}

async function testTransport(context: StepContext, transport: TestTransport): Promise<StepOutcome> {
  if (context.mediaAddresses[transport].length === 0) return { finding: `${transport}-not-offered` };
  const { platform } = context;
  const call = await requestedCall(context);
  if (!call) return { finding: `${transport}-blocked` };
  const startedAt = platform.now();
  let connected = false;
  try {
    connected = await call.connect(transport);
  } finally {
    // The first one that connects is kept for the steps after.
    if (connected && !context.connected) context.connected = call;
    else await call.close();
  }
  const durationMs = Math.round(platform.now() - startedAt);
  const ports = [...new Set(context.mediaAddresses[transport].map((address) => address.replace(/^.*:/, '')))];
  const details = { durationMs, ports: ports.join(' ') };
  return { finding: connected ? `${transport}-works` : `${transport}-blocked`, details };
}

/** The call that the step before left, or a fresh one; undefined when the server refuses it. */
export async function requestedCall(context: StepContext): Promise<TestCall | undefined> {
  const { offered } = context;
  context.offered = undefined;
  if (offered) return offered;
  const answer = await TestCall.request(context.platform, context.server, context.signal);
  return answer.kind === 'offered' ? answer.call : undefined;
}

/** Exchanges messages on the channel. */
export async function testChannel({ connected }: StepContext): Promise<StepOutcome> {
  const roundTripMs = await connected?.ping();
  return roundTripMs === undefined
    ? { finding: 'channel-silent' }
    : { finding: 'channel-works', details: { roundTripMs: Math.round(roundTripMs) } };
}

/** Sends a tone for some seconds and looks at losses and delay. */
export async function testQuality({ connected }: StepContext): Promise<StepOutcome> {
  const figures = await connected?.measure(MEASURE_MS);
  const { roundTripMs, lossSent, path } = figures ?? {};
  if (roundTripMs === undefined) return { finding: 'quality-unknown' };
  const details = {
    roundTripMs: Math.round(roundTripMs),
    ...(lossSent === undefined ? {} : { lossSent: Math.round(lossSent * 1000) / 1000 }),
    ...(path === undefined ? {} : { path }),
  };
  const loss = lossSent ?? 0;
  if (roundTripMs <= GOOD_ROUND_TRIP_MS && loss <= GOOD_LOSS) return { finding: 'quality-good', details };
  const fair = roundTripMs <= FAIR_ROUND_TRIP_MS && loss <= FAIR_LOSS;
  return { finding: fair ? 'quality-fair' : 'quality-poor', details };
}
