import { expect, it } from 'vitest';
import { AgentHost, introduce } from './agent-host.ts';
import { SimulatedNetwork } from './simulated-network.ts';

it('an address translator that rebinds is followed within two seconds of the first packet', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  const client = new AgentHost(network, { role: 'controlled' }).udp(7, '10.0.0.5', 5000, [
    '203.0.113.7',
    61000,
  ]);
  introduce(server, client);
  network.clock.run(30_000);
  for (const [round, port] of [61001, 61002, 61003].entries()) {
    const from = 30_000 * (round + 1);
    network.rebind(client, 7, '203.0.113.7', port);
    const first = () => network.sent.find((p) => p.from === `203.0.113.7 ${port}` && p.at >= from);
    expect(network.clock.run(from + 10_000, () => first() !== undefined)).toBe(true);
    const follows = network.clock.run(first()!.at + 2000, () => server.agent.selectedPath?.port === port);
    expect(follows).toBe(true);
    network.clock.run(from + 30_000);
    expect(server.agent.selectedPath).toEqual({ socket: 1, address: '203.0.113.7', port, transport: 'udp' });
  }
  network.clock.run(200_000);
  expect(server.states).toEqual(['checking', 'connected']);
  expect(client.states).toEqual(['checking', 'connected']);
  expect(server.agent.validPaths).toHaveLength(1);
});

it('a rebinding right after the connection was made is followed', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  const client = new AgentHost(network, { role: 'controlled' }).udp(7, '10.0.0.5', 5000, [
    '203.0.113.7',
    61000,
  ]);
  introduce(server, client);
  network.clock.run(500);
  network.rebind(client, 7, '203.0.113.7', 61001);
  network.clock.run(9000);
  expect(server.agent.selectedPath?.port).toBe(61001);
  expect(client.agent.state).toBe('connected');
});

it('a controlled agent follows a server whose selected path dies to the one the server nominates', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' })
    .udp(1, '192.0.2.1', 40000)
    .udp(2, '192.0.2.2', 40000);
  const client = new AgentHost(network, { role: 'controlled' }).udp(7, '198.51.100.9', 5000);
  introduce(server, client);
  network.clock.run(5000);
  const before = client.agent.selectedPath;
  network.blocks.push((p) => p.from === `${before?.address} 40000` || p.to === `${before?.address} 40000`);
  network.clock.run(14_000);
  expect(client.agent.selectedPath?.address).not.toBe(before?.address);
  expect(server.agent.selectedPath?.socket).toBe(client.agent.selectedPath?.address === '192.0.2.1' ? 1 : 2);
  network.clock.run(60_000);
  expect(server.states).toEqual(['checking', 'connected']);
});

it('a client that answers on the old network but only asks on the new one is followed', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  // Asks often, as browsers do.
  const timings = { consentIntervalMs: 2500, spareIntervalMs: 2500 };
  const client = new AgentHost(network, { role: 'controlled', timings })
    .udp(7, '198.51.100.9', 5000)
    .udp(8, '203.0.113.7', 5000);
  introduce(server, client);
  network.clock.run(10_000);
  const before = server.agent.selectedPath!.address;
  const other = before === '198.51.100.9' ? '203.0.113.7' : '198.51.100.9';
  expect(server.agent.validPaths).toHaveLength(2);
  // Requests have class bits 00 in the first two bytes.
  network.blocks.push((p) => p.from === `${before} 5000` && p.bytes[0] === 0 && p.bytes[1] === 1);
  network.clock.run(25_000);
  expect(server.agent.selectedPath?.address).toBe(other);
  expect(client.agent.selectedPath?.address).toBe('192.0.2.1');
});

it('spare paths are kept up while the peer uses them, and dropped when they die', () => {
  const network = new SimulatedNetwork();
  const server = new AgentHost(network, { role: 'controlling' }).udp(1, '192.0.2.1', 40000);
  const client = new AgentHost(network, { role: 'controlled' })
    .udp(7, '198.51.100.9', 5000)
    .udp(8, '203.0.113.7', 5000);
  introduce(server, client);
  network.clock.run(40_000);
  expect(server.agent.validPaths).toHaveLength(2);
  const spare = server.agent.validPaths.find((path) => path !== server.agent.selectedPath)!;
  network.blocks.push((p) => p.from.startsWith(`${spare.address} `));
  network.clock.run(75_000);
  expect(server.agent.validPaths).toEqual([server.agent.selectedPath]);
  expect(server.states).toEqual(['checking', 'connected']);
});
