// Missing positions of one incoming stream and when to ask for them (RFC 4585 6.2.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace conclave {

class NackList {
 public:
  // Wait for reordered packets before the first request. Lower: needless requests; higher: later repair.
  static constexpr int64_t kReorderWaitUs = 10'000;
  static constexpr int kReorderPackets = 2;
  // Least spacing of repeated requests for one packet.
  static constexpr int64_t kMinIntervalUs = 20'000;
  static constexpr int kMaxTries = 10;
  static constexpr int64_t kGiveUpUs = 1'000'000;
  // Positions sought at once. A larger gap is no loss but a break: a key frame repairs it more cheaply.
  static constexpr size_t kMaxMissing = 256;

  bool empty() const { return missing_.empty(); }
  void Clear() { missing_.clear(); }
  // The newest position went from `previous` to `position`. False if the gap is too wide to be asked for.
  bool OnNewest(int64_t previous, int64_t position, int64_t now_us);
  // A late position came. True if it had been asked for.
  bool OnLate(int64_t position);
  // Whether some position has waited for enough newer packets.
  bool urgent() const { return urgent_; }
  // Appends the numbers to ask for now, ascending, and forgets what is given up.
  void Collect(int64_t now_us, int64_t round_trip_us, std::vector<uint16_t>* out);

 private:
  struct Missing {
    int64_t position;
    int64_t since_us;
    int64_t asked_us;
    int tries;
    int newer;
  };
  bool urgent_ = false;
  std::vector<Missing> missing_;
};

}  // namespace conclave
