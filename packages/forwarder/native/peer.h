// One remote endpoint: keys, addresses, and the streams and slots that belong to it.
#pragma once

#include <memory>
#include <vector>

#include "ingress.h"
#include "packet.h"
#include "srtp.h"
#include "transport_feedback.h"
#include "types.h"

namespace conclave {

struct Egress;

// An authentic packet of an SSRC that no rule knows yet.
struct HeldPacket {
  int64_t arrival_us = 0;
  uint32_t ssrc = 0;
  std::vector<uint8_t> bytes;
};

// When an unknown SSRC was last told of.
struct ToldSsrc {
  uint32_t ssrc = 0;
  int64_t told_us = 0;
};

struct SsrcBinding {
  uint32_t ssrc;
  Ingress* ingress;
  bool is_rtx;
};

struct Peer {
  Peer(PeerId peer_id, const PeerOptions& o) : id(peer_id), options(o), extensions(o.extensions) {
    describes_frames =
        o.extensions.id[kGenericFrameDescriptor] != 0 || o.extensions.id[kDependencyDescriptor] != 0;
  }

  // Null if no stream has the SSRC. Peers have few SSRCs: a scan beats a hash.
  const SsrcBinding* FindSsrc(uint32_t ssrc) const {
    for (const SsrcBinding& b : bindings) {
      if (b.ssrc == ssrc) return &b;
    }
    return nullptr;
  }
  bool Ready() const { return has_send_path && sender != nullptr; }

  PeerId id;
  PeerOptions options;
  ExtensionMap extensions;
  // It negotiated a frame descriptor.
  bool describes_frames = false;

  std::vector<PathKey> accepted;
  bool has_send_path = false;
  PathKey send_path;
  std::unique_ptr<SrtpSender> sender;
  std::unique_ptr<SrtpReceiver> receiver;
  int64_t round_trip_us = 100'000;

  std::vector<Ingress*> ingresses;
  std::vector<Egress*> egresses;
  std::vector<SsrcBinding> bindings;

  std::vector<HeldPacket> held;
  size_t held_bytes = 0;
  std::vector<ToldSsrc> told;

  TransportFeedback feedback;
  uint32_t feedback_media_ssrc = 0;

  bool has_clock_offset = false;
  int64_t clock_offset_us = 0;
};

}  // namespace conclave
