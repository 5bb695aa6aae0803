// Arrival records of one sender and the transport-wide feedback made of them
// (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace conclave {

class TransportFeedback {
 public:
  // Largest feedback packet. It must pass any path.
  static constexpr size_t kMaxPacket = 1150;

  // Notes the arrival of the packet with this transport-wide number.
  void OnArrival(uint16_t sequence, int64_t now_us);
  bool pending() const { return pending_; }
  // True when waiting any longer would lose records.
  bool full() const { return pending_ && newest_ - oldest_pending_ >= kRing - kRing / 4; }

  // Writes the next feedback packet about what is pending into `out` (kMaxPacket bytes) and returns its length; 0 when
  // nothing is left. Call until then.
  size_t Build(uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t* out);

 private:
  static constexpr int64_t kRing = 1024;
  struct Arrival {
    int64_t sequence = -1;
    int64_t ticks = 0;  // 250 us
  };
  const Arrival* Find(int64_t sequence) const;

  std::vector<Arrival> ring_;
  bool started_ = false;
  bool pending_ = false;
  int64_t newest_ = 0;
  int64_t next_ = 0;  // first number not yet reported
  int64_t oldest_pending_ = 0;
  uint8_t count_ = 0;
};

}  // namespace conclave
