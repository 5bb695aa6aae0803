// How often addresses may be heard that have not passed a check yet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "types.h"

namespace conclave {

// One rate for every address (an IPv6 /64 counts as one), kept in a table of fixed size: addresses that share a bucket
// share the rate, and nobody who does not know the seed can choose with whom.
class SourceLimiter {
 public:
  // `per_second` messages a second in the long run, as many at once.
  SourceLimiter(uint32_t per_second, uint64_t seed) : interval_us_(1'000'000.0 / per_second), seed_(seed) {}

  bool Allow(const NetAddress& address, int64_t now_us) {
    double& due = due_us_[Bucket(address)];
    const double now = static_cast<double>(now_us);
    const double next = (due > now ? due : now) + interval_us_;
    if (next - now > kBurstUs) return false;
    due = next;
    return true;
  }

 private:
  static constexpr size_t kBuckets = 4096;
  static constexpr double kBurstUs = 1'000'000;

  size_t Bucket(const NetAddress& address) const {
    // Four bytes of IPv4, or the prefix that one customer has.
    uint64_t h;
    std::memcpy(&h, address.bytes, sizeof h);
    h = (h ^ seed_ ^ address.family) * 0xff51afd7ed558ccdull;
    h = (h ^ (h >> 32)) * 0xc4ceb9fe1a85ec53ull;
    return static_cast<size_t>(h >> 52);
  }

  double interval_us_;
  uint64_t seed_;
  std::array<double, kBuckets> due_us_{};
};

}  // namespace conclave
