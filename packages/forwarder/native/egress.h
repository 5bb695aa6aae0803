// One outgoing slot: continuity of its sequence numbers and timestamps through all changes of source.
#pragma once

#include <vector>

#include "types.h"

namespace conclave {

struct Peer;
struct Ingress;
struct Group;

// When a packet came and was captured; both in microseconds of our clock.
struct PacketTime {
  int64_t arrival_us = 0;
  bool has_capture = false;
  int64_t capture_us = 0;
};

// Maps positions and timestamps of the current source to those of the slot.
class Rewriter {
 public:
  Rewriter(uint16_t initial_sequence, uint32_t initial_timestamp, uint32_t clock_rate)
      : clock_rate_(clock_rate), initial_timestamp_(initial_timestamp), last_sequence_(int64_t{initial_sequence} - 1) {}

  // Makes this packet the first of a new source.
  void Switch(int64_t position, int64_t index, uint32_t timestamp, const PacketTime& time);
  // False for a packet older than its source's first.
  bool Map(int64_t position, int64_t index, uint32_t timestamp, const PacketTime& time, int64_t* sequence,
           uint32_t* out_timestamp);

  bool started() const { return started_; }
  uint32_t timestamp_offset() const { return timestamp_offset_; }

 private:
  uint32_t clock_rate_;
  uint32_t initial_timestamp_;
  bool started_ = false;
  int64_t last_sequence_;  // highest sent
  uint32_t last_timestamp_ = 0;
  PacketTime last_time_;
  int64_t first_position_ = 0;
  int64_t sequence_offset_ = 0;
  uint32_t timestamp_offset_ = 0;
};

// What was sent under a sequence number.
struct SentPacket {
  bool used = false;
  uint16_t sequence = 0;
  IngressId ingress = 0;
  uint64_t ingress_serial = 0;
  int64_t position = 0;
  uint32_t timestamp = 0;
  bool resent = false;
  int64_t resent_us = 0;
};

enum class WishKind : uint8_t { kNone, kNow, kKeyFrame };

struct Egress {
  Egress(EgressId egress_id, const EgressOptions& o, Peer* p)
      : id(egress_id),
        options(o),
        peer(p),
        rewriter(o.initial_sequence, o.initial_timestamp, o.clock_rate),
        rtx_sequence(o.initial_rtx_sequence) {}

  // Remembers a packet for retransmission; only for slots with RTX.
  void Remember(uint16_t sequence, const Ingress& ingress, int64_t position, uint32_t timestamp);
  SentPacket* FindSent(uint16_t sequence);
  // Takes one retransmission out of the budget.
  bool TakeBudget(int64_t now_us);

  EgressId id;
  EgressOptions options;
  Peer* peer;
  Group* group = nullptr;  // set for a group's slot
  Ingress* current = nullptr;
  Ingress* wish = nullptr;
  WishKind wish_kind = WishKind::kNone;
  int64_t deadline_us = 0;

  Rewriter rewriter;
  // Whether the current source has sent through this slot, so that a report can be made of it.
  bool flowing = false;
  bool report_due = false;
  uint32_t sent_reports[4] = {};  // middle NTP bits of our last reports
  size_t sent_report_count = 0;

  uint16_t rtx_sequence;
  std::vector<SentPacket> sent;
  double budget = 0;
  int64_t budget_us = 0;
  bool budget_started = false;

  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t payload_bytes = 0;
  uint64_t retransmitted_packets = 0;
  uint64_t rtx_payload_bytes = 0;
  uint64_t nacks_received = 0;
};

}  // namespace conclave
