import type { IceCandidate } from '@conclave/ice';
import { expect, it } from 'vitest';
import { AgentHost, introduce } from './agent-host.ts';
import { SimulatedNetwork } from './simulated-network.ts';

const serverTcp: [string, number] = ['192.0.2.1', 443];

function hosts(network: SimulatedNetwork): { server: AgentHost; client: AgentHost } {
  const server = new AgentHost(network, { role: 'controlling' })
    .udp(1, '192.0.2.1', 40000)
    .tcp(9, ...serverTcp);
  const client = new AgentHost(network, { role: 'controlled' })
    .udp(7, '198.51.100.9', 5000)
    .tcp(8, '198.51.100.9', 5001);
  return { server, client };
}

it('connects over TCP when every datagram is lost', () => {
  const network = new SimulatedNetwork();
  network.blocks.push((packet) => packet.transport === 'udp');
  const { server, client } = hosts(network);
  introduce(server, client);
  const path = client.connectTo(server, ['198.51.100.9', 5501], serverTcp);
  network.clock.run(2000);
  expect(server.agent.state).toBe('connected');
  expect(server.agent.selectedPath).toMatchObject({ address: '198.51.100.9', port: 5501, transport: 'tcp' });
  expect(client.agent.selectedPath).toEqual(path);
  network.clock.run(120_000);
  expect(server.states).toEqual(['checking', 'connected']);
  expect(client.states).toEqual(['checking', 'connected']);
});

it('nominates UDP when it comes up shortly after TCP', () => {
  const network = new SimulatedNetwork();
  let isBlocked = true;
  network.blocks.push((packet) => packet.transport === 'udp' && isBlocked);
  const { server, client } = hosts(network);
  introduce(server, client);
  client.connectTo(server, ['198.51.100.9', 5501], serverTcp);
  network.clock.run(300);
  expect(server.agent.selectedPath?.transport).toBe('tcp');
  isBlocked = false;
  network.clock.run(2000);
  expect(server.agent.selectedPath?.transport).toBe('udp');
  expect(client.agent.selectedPath?.transport).toBe('udp');
  expect(server.agent.validPaths.map((path) => path.transport)).toEqual(['udp', 'tcp']);
});

it('moves to UDP when it comes up after TCP was nominated', () => {
  const network = new SimulatedNetwork();
  let isBlocked = true;
  network.blocks.push((packet) => packet.transport === 'udp' && isBlocked);
  const { server, client } = hosts(network);
  introduce(server, client);
  client.connectTo(server, ['198.51.100.9', 5501], serverTcp);
  network.clock.run(3000);
  expect(client.agent.selectedPath?.transport).toBe('tcp');
  isBlocked = false;
  network.clock.run(6000);
  expect(server.agent.selectedPath?.transport).toBe('udp');
  expect(client.agent.selectedPath?.transport).toBe('udp');
});

it('a lost connection is made up for by a new one', () => {
  const network = new SimulatedNetwork();
  network.blocks.push((packet) => packet.transport === 'udp');
  const { server, client } = hosts(network);
  introduce(server, client);
  const path = client.connectTo(server, ['198.51.100.9', 5501], serverTcp);
  network.clock.run(20_000);
  network.disconnect(path.socket);
  expect(server.agent.state).toBe('disconnected');
  expect(server.agent.validPaths).toEqual([]);
  network.clock.run(25_000);
  client.connectTo(server, ['198.51.100.9', 5502], serverTcp);
  network.clock.run(27_000);
  expect(server.agent.state).toBe('connected');
  expect(server.agent.selectedPath?.port).toBe(5502);
  expect(client.agent.state).toBe('connected');
});

it('a lost connection that nothing replaces ends in failure', () => {
  const network = new SimulatedNetwork();
  network.blocks.push((packet) => packet.transport === 'udp');
  const { server, client } = hosts(network);
  introduce(server, client);
  const path = client.connectTo(server, ['198.51.100.9', 5501], serverTcp);
  network.clock.run(20_000);
  network.disconnect(path.socket);
  network.clock.run(51_000);
  expect(server.states).toEqual(['checking', 'connected', 'disconnected', 'failed']);
});

it('never sends to TCP candidates of the peer on its own', () => {
  const network = new SimulatedNetwork();
  const { server, client } = hosts(network);
  const tcp = (tcpType: 'active' | 'passive' | 'so', port: number): IceCandidate => ({
    foundation: '1',
    component: 1,
    transport: 'tcp',
    tcpType,
    priority: 1000,
    address: '198.51.100.9',
    port,
    type: 'host',
  });
  server.setRemote(client, [tcp('active', 9), tcp('passive', 5001), tcp('so', 5002)]);
  network.clock.run(5000);
  expect(network.sent).toEqual([]);
});
