#include "egress.h"

#include <algorithm>
#include <cstdlib>

#include "ingress.h"

namespace conclave {
namespace {
// Most that elapsed time by capture may differ from that by arrival and still be believed.
constexpr int64_t kCaptureToleranceUs = 500'000;
// Sequence numbers a NACK can reach back. A power of two.
constexpr size_t kSentPackets = 1024;
// Retransmissions per second and in one burst. Lower: heavy loss is not repaired; higher: more can be extracted by NACKs.
constexpr double kBudgetPerSecond = 300;
constexpr double kBudgetBurst = 150;
}  // namespace

void Rewriter::Switch(int64_t position, int64_t index, uint32_t timestamp, const PacketTime& time) {
  first_position_ = position;
  sequence_offset_ = last_sequence_ + 1 - index;
  if (!started_) {
    started_ = true;
    timestamp_offset_ = initial_timestamp_ - timestamp;
    return;
  }
  int64_t elapsed = time.arrival_us - last_time_.arrival_us;
  if (time.has_capture && last_time_.has_capture) {
    const int64_t by_capture = time.capture_us - last_time_.capture_us;
    if (std::llabs(by_capture - elapsed) <= kCaptureToleranceUs) elapsed = by_capture;
  }
  const int64_t ticks = std::max<int64_t>(1, ScaleFloor(elapsed, clock_rate_, 1'000'000));
  timestamp_offset_ = last_timestamp_ + static_cast<uint32_t>(ticks) - timestamp;
}

bool Rewriter::Map(int64_t position, int64_t index, uint32_t timestamp, const PacketTime& time, int64_t* sequence,
                   uint32_t* out_timestamp) {
  if (position < first_position_) return false;
  *sequence = index + sequence_offset_;
  *out_timestamp = timestamp + timestamp_offset_;
  if (*sequence > last_sequence_) {
    last_sequence_ = *sequence;
    last_timestamp_ = *out_timestamp;
    last_time_ = time;
  }
  return true;
}

void Egress::Remember(uint16_t sequence, const Ingress& ingress, int64_t position, uint32_t timestamp) {
  if (!options.has_rtx) return;
  if (sent.empty()) sent.resize(kSentPackets);
  SentPacket& entry = sent[sequence & (kSentPackets - 1)];
  entry = SentPacket{};
  entry.used = true;
  entry.sequence = sequence;
  entry.ingress = ingress.id;
  entry.ingress_serial = ingress.serial;
  entry.position = position;
  entry.timestamp = timestamp;
}

SentPacket* Egress::FindSent(uint16_t sequence) {
  if (sent.empty()) return nullptr;
  SentPacket& entry = sent[sequence & (kSentPackets - 1)];
  return entry.used && entry.sequence == sequence ? &entry : nullptr;
}

bool Egress::TakeBudget(int64_t now_us) {
  if (!budget_started) {
    budget_started = true;
    budget = kBudgetBurst;
  } else {
    budget = std::min(kBudgetBurst, budget + kBudgetPerSecond * static_cast<double>(now_us - budget_us) / 1e6);
  }
  budget_us = now_us;
  if (budget < 1) return false;
  budget -= 1;
  return true;
}

}  // namespace conclave
