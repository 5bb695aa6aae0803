import { expect, it } from 'vitest';
import { AgentHost, introduce } from './agent-host.ts';
import { SimulatedNetwork } from './simulated-network.ts';

it('connects in two round trips and settles on one path on both sides', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  const client = new AgentHost(network, { role: 'controlled' }).udp(7, '198.51.100.9', 5000);
  introduce(server, client);
  network.clock.run(1000);

  expect(server.states).toEqual(['checking', 'connected']);
  expect(client.states).toEqual(['checking', 'connected']);
  expect(server.enteredAt('connected')).toBeLessThanOrEqual(80);
  expect(server.agent.selectedPath).toEqual({
    socket: 1,
    address: '198.51.100.9',
    port: 5000,
    transport: 'udp',
  });
  expect(client.agent.selectedPath).toEqual({
    socket: 7,
    address: '192.0.2.1',
    port: 40000,
    transport: 'udp',
  });
  expect(server.agent.validPaths).toEqual([server.agent.selectedPath]);
  expect(server.agent.roundTripMs).toBe(40);
  expect(server.events.filter((event) => event.type === 'round-trip').length).toBeGreaterThan(0);
});

it('stays connected for an hour with little traffic', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  const client = new AgentHost(network, { role: 'controlled' }).udp(7, '198.51.100.9', 5000);
  introduce(server, client);
  network.clock.run(3_600_000);
  expect(server.states).toEqual(['checking', 'connected']);
  expect(client.states).toEqual(['checking', 'connected']);
  // Two consent checks and two responses each five seconds, and little more.
  expect(network.sent.length).toBeLessThan(1.3 * 4 * (3600 / 5));
  expect(network.sent.length).toBeGreaterThan(0.8 * 4 * (3600 / 5));
});

it('prefers IPv6 where both work, and uses IPv4 where IPv6 is broken', () => {
  for (const isBroken of [false, true]) {
    const network = new SimulatedNetwork();
    if (isBroken) network.blocks.push((packet) => packet.to.includes(':'));
    const server = new AgentHost(network, { role: 'controlling' })
      .udp(1, '192.0.2.1', 40000)
      .udp(2, '2001:db8::1', 40000);
    const client = new AgentHost(network, { role: 'controlled' })
      .udp(7, '198.51.100.9', 5000)
      .udp(8, '2001:db8:1::9', 5000);
    introduce(server, client);
    network.clock.run(1000);
    expect(server.agent.selectedPath?.address).toBe(isBroken ? '198.51.100.9' : '2001:db8:1::9');
    expect(client.agent.selectedPath?.address).toBe(isBroken ? '192.0.2.1' : '2001:db8::1');
    expect(server.enteredAt('connected')).toBeLessThan(150);
  }
});

it('reaches a client behind an address translator, whose own candidates lead nowhere', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  const client = new AgentHost(network, { role: 'controlled' }).udp(7, '10.0.0.5', 5000, [
    '203.0.113.7',
    61000,
  ]);
  introduce(server, client);
  network.clock.run(1000);
  expect(server.agent.selectedPath).toEqual({
    socket: 1,
    address: '203.0.113.7',
    port: 61000,
    transport: 'udp',
  });
  expect(client.agent.state).toBe('connected');
  expect(server.enteredAt('connected')).toBeLessThan(150);
});

it('answers checks that come before the answer is known, and is connected soon after it is', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  const client = new AgentHost(network, { role: 'controlled' }).udp(7, '10.0.0.5', 5000, [
    '203.0.113.7',
    61000,
  ]);
  client.setRemote(server);
  network.clock.run(2000);
  expect(server.agent.stats.requestsAnswered).toBeGreaterThan(0);
  expect(server.agent.state).toBe('new');
  expect(client.agent.state).toBe('connected');
  server.setRemote(client);
  network.clock.run(2045);
  expect(server.agent.state).toBe('connected');
  expect(server.agent.selectedPath?.address).toBe('203.0.113.7');
});

it('connects with no remote candidate at all', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  const client = new AgentHost(network, { role: 'controlled' }).udp(7, '198.51.100.9', 5000);
  client.setRemote(server);
  server.setRemote(client, []);
  network.clock.run(1000);
  expect(server.agent.state).toBe('connected');
});
