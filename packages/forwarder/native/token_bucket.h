// A rate with a burst.
#pragma once

#include <algorithm>
#include <cstdint>

namespace conclave {

// So many bytes a second, half a second's worth at once. A rate of 0 is no limit.
class TokenBucket {
 public:
  // Lower cuts off key frames of slow allocations.
  static constexpr double kLeastBurstBytes = 16384;

  explicit TokenBucket(double bytes_per_second = 0)
      : rate_(bytes_per_second), burst_(std::max(kLeastBurstBytes, bytes_per_second / 2)), tokens_(burst_) {}

  bool limited() const { return rate_ > 0; }
  bool Take(size_t bytes, int64_t now_us) {
    if (rate_ <= 0) return true;
    Refill(now_us);
    const double wanted = static_cast<double>(bytes);
    if (wanted > tokens_) return false;
    tokens_ -= wanted;
    return true;
  }
  // Bytes that may go now.
  size_t Available(int64_t now_us) {
    Refill(now_us);
    return static_cast<size_t>(std::max(0.0, tokens_));
  }

 private:
  void Refill(int64_t now_us) {
    if (now_us > last_us_) {
      if (last_us_ >= 0) tokens_ = std::min(burst_, tokens_ + static_cast<double>(now_us - last_us_) * rate_ / 1e6);
      last_us_ = now_us;
    }
  }

  double rate_;
  double burst_;
  double tokens_;
  int64_t last_us_ = -1;
};

}  // namespace conclave
