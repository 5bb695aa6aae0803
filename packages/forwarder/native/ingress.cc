#include "ingress.h"

#include <cmath>

namespace conclave {
namespace {
// Spacing of onset events of one stream.
constexpr int64_t kOnsetSpacingUs = 100'000;
}  // namespace

void Ingress::Bind(uint32_t new_ssrc) {
  const bool anew = ssrc_known && ssrc != new_ssrc;
  ssrc_known = true;
  ssrc = new_ssrc;
  if (!anew) return;
  window = SequenceWindow();
  nacks = NackList();
  cache = PacketCache(options.kind);
  sender_report = SenderReport();
  original_packets = 0;
  repaired_packets = 0;
  has_transit = false;
  jitter = 0;
  reported_expected = 0;
  reported_received = 0;
}

void Ingress::UpdateJitter(int64_t now_us, uint32_t timestamp) {
  const int64_t arrival = ScaleFloor(now_us, options.clock_rate, 1'000'000);
  const int32_t transit = static_cast<int32_t>(static_cast<uint32_t>(arrival) - timestamp);
  if (has_transit) {
    const int32_t d = static_cast<int32_t>(static_cast<uint32_t>(transit) - static_cast<uint32_t>(last_transit));
    // A jump of the timestamp is not jitter; ten seconds are beyond any network's.
    const double distance = std::fabs(static_cast<double>(d));
    if (distance < 10.0 * options.clock_rate) jitter += (distance - jitter) / 16;
  }
  has_transit = true;
  last_transit = transit;
}

uint64_t Ingress::Lost() const {
  if (!window.started()) return 0;
  const int64_t expected = window.highest() - window.first() + 1;
  const int64_t lost = expected - static_cast<int64_t>(original_packets + repaired_packets);
  return lost > 0 ? static_cast<uint64_t>(lost) : 0;
}

bool Ingress::TakeLevel(int64_t now_us, uint8_t octet, uint8_t onset_level) {
  const bool voice = octet & 0x80;
  const uint8_t level = octet & 0x7f;
  ++levels.packets;
  levels.level_sum += level;
  if (voice) ++levels.voice_packets;
  if (level < levels.peak) levels.peak = level;

  const bool loud = level < onset_level;
  const bool onset = loud && (voice || was_loud);
  was_loud = loud;
  if (!onset || !places.empty()) return false;
  if (onset_told && now_us - onset_us < kOnsetSpacingUs) return false;
  onset_told = true;
  onset_us = now_us;
  return true;
}

}  // namespace conclave
