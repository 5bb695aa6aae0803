#include "nack_list.h"

#include <algorithm>

namespace conclave {

bool NackList::OnNewest(int64_t previous, int64_t position, int64_t now_us) {
  const int64_t gap = position - previous - 1;
  if (gap > static_cast<int64_t>(kMaxMissing)) {
    missing_.clear();
    return false;
  }
  for (int64_t p = previous + 1; p < position; ++p) missing_.push_back({p, now_us, 0, 0, 0});
  if (missing_.size() > kMaxMissing) {
    missing_.erase(missing_.begin(), missing_.end() - static_cast<std::ptrdiff_t>(kMaxMissing));
  }
  for (Missing& m : missing_) {
    if (m.tries == 0 && ++m.newer == kReorderPackets) urgent_ = true;
  }
  return true;
}

bool NackList::OnLate(int64_t position) {
  const auto it = std::find_if(missing_.begin(), missing_.end(), [&](const Missing& m) { return m.position == position; });
  if (it == missing_.end()) return false;
  const bool asked = it->tries > 0;
  missing_.erase(it);
  return asked;
}

void NackList::Collect(int64_t now_us, int64_t round_trip_us, std::vector<uint16_t>* out) {
  urgent_ = false;
  missing_.erase(std::remove_if(missing_.begin(), missing_.end(),
                                [&](const Missing& m) {
                                  return now_us - m.since_us > kGiveUpUs ||
                                         (m.tries >= kMaxTries && now_us - m.asked_us >= round_trip_us);
                                }),
                 missing_.end());
  const int64_t spacing = std::max(round_trip_us, kMinIntervalUs);
  for (Missing& m : missing_) {
    if (m.tries >= kMaxTries) continue;
    const bool due = m.tries == 0 ? m.newer >= kReorderPackets || now_us - m.since_us >= kReorderWaitUs
                                  : now_us - m.asked_us >= spacing;
    if (!due) continue;
    ++m.tries;
    m.asked_us = now_us;
    out->push_back(static_cast<uint16_t>(m.position));
  }
}

}  // namespace conclave
