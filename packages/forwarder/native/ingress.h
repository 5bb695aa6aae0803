// One incoming stream: positions, losses, reports, levels, and who takes it.
#pragma once

#include <vector>

#include "nack_list.h"
#include "packet.h"
#include "packet_cache.h"
#include "sequence_window.h"
#include "types.h"

namespace conclave {

struct Peer;
struct Egress;
struct Group;

// What the last sender report of a stream said (RFC 3550 6.4.1).
struct SenderReport {
  bool known = false;
  uint32_t rtp_timestamp = 0;
  uint32_t ntp_middle = 0;  // middle 32 bits, echoed as LSR
  int64_t ntp_us = 0;       // on the sender's clock
  int64_t arrival_us = 0;
};

// Audio activity since it was last read.
struct LevelSum {
  uint32_t packets = 0;
  uint32_t voice_packets = 0;
  uint64_t level_sum = 0;
  uint8_t peak = 127;
};

struct IngressTotals {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t padding_packets = 0;
  uint64_t key_frames = 0;
  uint64_t nacks_sent = 0;
  uint64_t recovered_packets = 0;
};

// A slot of a group that this stream feeds.
struct GroupPlace {
  Group* group;
  size_t slot;
};

struct Ingress {
  Ingress(IngressId ingress_id, const IngressOptions& o, Peer* p) : id(ingress_id), options(o), peer(p), cache(o.kind) {
    ssrc_known = o.has_ssrc;
    ssrc = o.ssrc;
    rtx_ssrc_known = o.has_rtx_ssrc;
    rtx_ssrc = o.rtx_ssrc;
  }

  // Binds the stream to an SSRC; one that had another starts anew.
  void Bind(uint32_t new_ssrc);

  // Interarrival jitter (RFC 3550 A.8).
  void UpdateJitter(int64_t now_us, uint32_t timestamp);

  // Packets that never came, by either way.
  uint64_t Lost() const;

  // Counts a level and says whether an onset is to be told.
  bool TakeLevel(int64_t now_us, uint8_t octet, uint8_t onset_level);

  IngressId id;
  uint64_t serial = 0;  // never used twice in a table, while ids may be
  IngressOptions options;
  Peer* peer;
  bool ssrc_known;
  uint32_t ssrc;
  bool rtx_ssrc_known;
  uint32_t rtx_ssrc;

  SequenceWindow window;
  uint64_t original_packets = 0;  // of the stream itself, padding included, repairs over RTX not
  uint64_t repaired_packets = 0;  // that came over RTX
  NackList nacks;
  PacketCache cache;
  SenderReport sender_report;

  // Receiver report state.
  bool has_transit = false;
  int32_t last_transit = 0;
  double jitter = 0;
  int64_t reported_expected = 0;
  int64_t reported_received = 0;

  LevelSum levels;
  bool was_loud = false;
  bool onset_told = false;
  int64_t onset_us = 0;

  bool key_frame_told = false;
  int64_t key_frame_told_us = 0;
  uint8_t fir_sequence = 0;

  IngressTotals totals;
  std::vector<Egress*> subscribers;  // current or wished source of these
  std::vector<GroupPlace> places;
};

}  // namespace conclave
