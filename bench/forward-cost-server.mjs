// The measured process of forward-cost.mjs: a forwarder with one sender and N receivers, and nothing else.
// Its parent sends one message with the set-up and then asks for what was used.
import { createForwarder } from '../packages/forwarder/dist/index.js';

const extensions = { absSendTime: 2, transportSequence: 3 };

const setUp = ({ segmentationOffload, profile, keys, senderPort, receiverPorts }) => {
  const forwarder = createForwarder({
    threads: [[{ address: '127.0.0.1', port: 0, transport: 'udp' }]],
    segmentationOffload,
    // Reports would be delivered packets that are not media.
    reportIntervalMs: 3_600_000,
    onEvents: () => {},
  });
  const [{ socket, port }] = forwarder.sockets;
  const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
  const addPeer = (peer, remotePort, transportFeedback) => {
    const path = { socket, address: '127.0.0.1', port: remotePort };
    forwarder.addPeer(peer, {
      thread: 0,
      feedbackSsrc: 1,
      cname: `peer-${peer}`,
      extensions,
      transportFeedback,
    });
    forwarder.setPaths(peer, [path], path);
    forwarder.setSrtpKeys(peer, {
      profile,
      receiveKey: bytes(keys.key),
      receiveSalt: bytes(keys.salt),
      sendKey: bytes(keys.key),
      sendSalt: bytes(keys.salt),
    });
  };
  addPeer(0, senderPort, true);
  forwarder.addIngress(0, {
    peer: 0,
    kind: 'video',
    ssrc: 11,
    payloadType: 100,
    clockRate: 90_000,
    csrc: 77,
    nack: true,
    rtxSsrc: 12,
    rtxPayloadType: 101,
  });
  receiverPorts.forEach((receiverPort, i) => {
    const id = i + 1;
    addPeer(id, receiverPort, false);
    forwarder.addEgress(id, {
      peer: id,
      kind: 'video',
      ssrc: 1000 + id,
      payloadType: 100,
      rtxSsrc: 5000 + id,
      rtxPayloadType: 101,
      clockRate: 90_000,
      extensions: { absSendTime: 2 },
      initialSequence: 100,
      initialTimestamp: 0,
      initialRtxSequence: 0,
    });
    forwarder.setSource(id, 0, { at: 'now' });
  });
  forwarder.readCounters();
  return { forwarder, port };
};

process.once('message', (options) => {
  const { forwarder, port } = setUp(options);
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    const forwarded = forwarder.readEgressStats().reduce((sum, { packets }) => sum + packets, 0);
    process.send({ cpuUs: user + system, forwarded, counters: forwarder.readCounters() });
  });
  process.once('disconnect', () => process.exit(0));
  process.send({ port });
});
