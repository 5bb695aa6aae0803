import { serverIceServers } from '../server-ice-servers.ts';
import { type TurnStepId, turnStepIds } from './diagnosis.ts';
import type { StepContext, StepOutcome, TurnWay } from './diagnosis-step.ts';
import { requestedCall } from './network-steps.ts';

/** The ways to TURN servers that the server names, at most one of each kind. */
export async function findTurnWays({ platform, server }: StepContext): Promise<readonly TurnWay[]> {
  const servers = await serverIceServers(server, {
    fetch: (url, init) => platform.fetch(url, init),
    now: () => platform.now(),
  })();
  const all = servers.flatMap((one) =>
    [one.urls].flat().map((urls) => ({ server: { ...one, urls }, ...describe(urls) })),
  );
  return turnStepIds.flatMap((id): TurnWay[] => {
    const way = all.find((one) => one.id === id);
    return way ? [{ ...way, id }] : [];
  });
}

function describe(url: string): { readonly id: TurnStepId | undefined; readonly place: string } {
  const [, scheme, place = '', transport = 'udp'] =
    /^(turns?):([^?]+)(?:\?transport=(udp|tcp))?$/.exec(url) ?? [];
  if (scheme === 'turns') return { id: 'turn-tls', place };
  return { id: scheme === undefined ? undefined : `turn-${transport as 'udp' | 'tcp'}`, place };
}

/** Connects through the TURN server by one way alone. */
export async function testTurn(context: StepContext, id: TurnStepId): Promise<StepOutcome> {
  const { platform } = context;
  const way = context.turnWays.find((one) => one.id === id);
  const call = way && (await requestedCall(context));
  if (!call) return { finding: `${id}-blocked` };
  const startedAt = platform.now();
  let connected = false;
  try {
    connected = await call.connect('udp', way.server);
  } finally {
    // The first one that connects is kept for the steps after.
    if (connected && !context.connected) context.connected = call;
    else await call.close();
  }
  const details = {
    durationMs: Math.round(platform.now() - startedAt),
    port: way.place.replace(/^.*:/, ''),
  };
  if (connected) return { finding: `${id}-works`, details };
  return { finding: call.relayed ? 'turn-without-media' : `${id}-blocked`, details };
}
