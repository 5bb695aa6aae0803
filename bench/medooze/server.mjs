// Medooze as a server of the benchmark: does for its parent what an application's server would do with this library.
// The parent sends { id, connect } and gets { id, transport } back.
import MediaServer from 'medooze-media-server';
import SemanticSdp from 'semantic-sdp';

const { CandidateInfo, CodecInfo, DTLSInfo, ICEInfo, MediaInfo, Setup } = SemanticSdp;
const extensions = {
  audioLevel: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  absSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  transportSequence: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
};
const [profiles] = process.argv.slice(2);
const endpoint = MediaServer.createEndpoint('127.0.0.1');
const tracks = new Map();

const properties = ({ payloadTypes, ids }) => {
  const media = (kind, codec) => {
    const info = new MediaInfo(kind, kind);
    info.addCodec(new CodecInfo(codec, payloadTypes[kind]));
    for (const [name, id] of Object.entries(ids)) {
      if (kind === 'audio' || name !== 'audioLevel') info.addExtension(id, extensions[name]);
    }
    return info;
  };
  return { audio: media('audio', 'opus'), video: media('video', 'vp8') };
};

function connect(request) {
  const ice = new ICEInfo(request.ufrag, request.pwd);
  const dtls = new DTLSInfo(Setup.ACTIVE, 'sha-256', request.fingerprint);
  const candidates = [new CandidateInfo('1', 1, 'UDP', 2130706431, '127.0.0.1', request.port, 'host')];
  const transport = endpoint.createTransport({ ice, dtls, candidates }, undefined, {
    srtpProtectionProfiles: profiles,
  });
  transport.setBandwidthProbing(false);
  transport.setLocalProperties(properties(request));
  transport.setRemoteProperties(properties(request));
  for (const { name, kind, ssrc } of request.publish) {
    tracks.set(
      name,
      transport.createIncomingStreamTrack(kind, { id: name, media: kind, encodings: [], ssrcs: [ssrc] }),
    );
  }
  for (const name of request.subscribe) {
    const track = tracks.get(name);
    transport.createOutgoingStreamTrack(track.getMedia()).attachTo(track);
  }
  const local = transport.getLocalICEInfo();
  return {
    ufrag: local.getUfrag(),
    pwd: local.getPwd(),
    fingerprint: transport.getLocalDTLSInfo().getFingerprint(),
    port: endpoint.getLocalPort(),
  };
}

process.on('message', ({ id, connect: request }) => {
  try {
    process.send({ id, transport: connect(request) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.once('disconnect', () => process.exit(0));
