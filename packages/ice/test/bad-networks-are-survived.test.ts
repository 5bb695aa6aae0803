import { expect, it } from 'vitest';
import { AgentHost, introduce } from './agent-host.ts';
import { seededBytes } from './seeded-random.ts';
import { SimulatedNetwork } from './simulated-network.ts';

const seeds: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

function pair(network: SimulatedNetwork, seed = 1): { server: AgentHost; client: AgentHost } {
  const server = new AgentHost(network, { role: 'controlling', random: seededBytes(seed) })
    .udp(1, '192.0.2.1', 40000)
    .udp(2, '2001:db8::1', 40000);
  const client = new AgentHost(network, { role: 'controlled', random: seededBytes(seed + 100) })
    .udp(7, '10.0.0.5', 5000, ['203.0.113.7', 61000])
    .udp(8, '2001:db8:1::9', 5000);
  return { server, client };
}

it.each(seeds)('a third lost, jitter, duplicates and disorder (seed %i)', (seed) => {
  const network = new SimulatedNetwork({ seed, delayMs: 60, jitterMs: 150, loss: 0.33, duplication: 0.1 });
  const { server, client } = pair(network, seed);
  introduce(server, client);
  const isConnected = network.clock.run(
    8000,
    () => server.agent.state === 'connected' && client.agent.state === 'connected',
  );
  expect(isConnected).toBe(true);
  network.clock.run(300_000);
  expect(server.states).not.toContain('failed');
  expect(client.states).not.toContain('failed');
  expect(server.agent.selectedPath).toBeDefined();
  expect(server.agent.validPaths).toContainEqual(server.agent.selectedPath);
});

it.each(seeds)('one lost packet in twenty is never taken for a dead path (seed %i)', (seed) => {
  const network = new SimulatedNetwork({ seed, delayMs: 30, jitterMs: 20, loss: 0.05 });
  const { server, client } = pair(network, seed);
  introduce(server, client);
  network.clock.run(120_000);
  expect(server.states).toEqual(['checking', 'connected']);
  expect(client.states).toEqual(['checking', 'connected']);
});

it('a round trip of 1.2 seconds', () => {
  const network = new SimulatedNetwork({ delayMs: 600 });
  const { server, client } = pair(network);
  introduce(server, client);
  network.clock.run(4000);
  expect(server.agent.state).toBe('connected');
  expect(client.agent.state).toBe('connected');
  network.clock.run(60_000);
  expect(server.states).toEqual(['checking', 'connected']);
});

it('a path that only works one way is not used', () => {
  const network = new SimulatedNetwork();
  network.blocks.push((packet) => packet.from.startsWith('2001:db8::1 '));
  const { server, client } = pair(network);
  introduce(server, client);
  network.clock.run(3000);
  expect(server.agent.validPaths.map((path) => path.address)).toEqual(['203.0.113.7']);
  expect(client.agent.validPaths.map((path) => path.address)).toEqual(['192.0.2.1']);
});

it('the selected path dies one way: the other takes over within two seconds of the unanswered check', () => {
  const network = new SimulatedNetwork();
  const { server, client } = pair(network);
  introduce(server, client);
  network.clock.run(10_000);
  expect(server.agent.selectedPath?.address).toBe('2001:db8:1::9');
  network.blocks.push((packet) => packet.to.startsWith('2001:db8:1::9 '));
  network.clock.run(10_000 + 6000 + 2000);
  expect(server.agent.selectedPath?.address).toBe('203.0.113.7');
  expect(client.agent.selectedPath?.address).toBe('192.0.2.1');
  network.clock.run(60_000);
  expect(server.states).toEqual(['checking', 'connected']);
  expect(server.agent.validPaths.map((path) => path.address)).toEqual(['203.0.113.7']);
});

it('without any answer the agents fail after their time and fall silent', () => {
  const network = new SimulatedNetwork();
  network.blocks.push(() => true);
  const { server, client } = pair(network);
  introduce(server, client);
  network.clock.run(14_900);
  expect(server.agent.state).toBe('checking');
  network.clock.run(15_100);
  expect(server.states).toEqual(['checking', 'failed']);
  expect(server.enteredAt('failed')).toBe(15_000);
  const count = network.sent.length;
  network.clock.run(100_000);
  expect(network.sent.length).toBe(count);
  expect(server.agent.pollTimeout()).toBeUndefined();
});

it('a peer that vanishes is late after eight seconds and gone after thirty', () => {
  const network = new SimulatedNetwork();
  const { server, client } = pair(network);
  introduce(server, client);
  network.clock.run(60_000);
  network.blocks.push(() => true);
  const lastAnswer = 60_000;
  network.clock.run(100_000);
  expect(server.states).toEqual(['checking', 'connected', 'disconnected', 'failed']);
  const late = server.enteredAt('disconnected')! - lastAnswer;
  const gone = server.enteredAt('failed')! - lastAnswer;
  expect(late).toBeGreaterThan(1900);
  expect(late).toBeLessThanOrEqual(8000);
  expect(gone).toBeGreaterThan(23_900);
  expect(gone).toBeLessThanOrEqual(30_000);
  expect(server.agent.validPaths).toEqual([]);
  expect(server.events.at(-2)).toMatchObject({ type: 'paths-changed', valid: [], selected: undefined });
});

it('a peer that comes back within the time is connected again', () => {
  const network = new SimulatedNetwork();
  const { server, client } = pair(network);
  introduce(server, client);
  network.clock.run(30_000);
  let isDown = true;
  network.blocks.push(() => isDown);
  network.clock.run(45_000);
  expect(server.agent.state).toBe('disconnected');
  isDown = false;
  network.clock.run(52_000);
  expect(server.states).toEqual(['checking', 'connected', 'disconnected', 'connected']);
  expect(client.agent.state).toBe('connected');
});
