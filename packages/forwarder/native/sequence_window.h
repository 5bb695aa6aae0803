// Positions of one incoming stream: unwrapping, duplicates, and the gaps that padding-only packets leave.
#pragma once

#include <cstdint>
#include <cstring>

namespace conclave {

class SequenceWindow {
 public:
  // Positions remembered behind the newest. Lower: late retransmissions are lost; higher: slower look-ups of late packets.
  static constexpr int64_t kSize = 1024;

  enum class Verdict : uint8_t { kNewest, kLate, kDuplicate, kTooOld };

  bool started() const { return started_; }
  int64_t highest() const { return highest_; }
  int64_t first() const { return first_; }

  // The position nearest to the newest one that has this 16-bit number.
  int64_t Unwrap(uint16_t sequence) const {
    if (!started_) return sequence;
    return highest_ + static_cast<int16_t>(static_cast<uint16_t>(sequence - static_cast<uint16_t>(highest_)));
  }

  Verdict Accept(int64_t position, bool padding_only) {
    if (!started_) {
      started_ = true;
      first_ = position;
      highest_ = position - 1;
    }
    if (position > highest_) {
      if (position - highest_ >= kSize) {
        std::memset(received_, 0, sizeof received_);
        std::memset(padding_, 0, sizeof padding_);
      } else {
        for (int64_t p = highest_ + 1; p <= position; ++p) {
          Clear(received_, p);
          Clear(padding_, p);
        }
      }
      highest_ = position;
      Set(received_, position);
      if (padding_only) {
        Set(padding_, position);
        ++padding_total_;
      }
      return Verdict::kNewest;
    }
    if (position <= highest_ - kSize) return Verdict::kTooOld;
    if (Test(received_, position)) return Verdict::kDuplicate;
    Set(received_, position);
    return Verdict::kLate;
  }

  // The position less the padding-only packets below it. For positions inside the window.
  int64_t Index(int64_t position) const {
    int64_t at_or_above = 0;
    for (int64_t p = position; p <= highest_; ++p) at_or_above += Test(padding_, p);
    return position - (padding_total_ - at_or_above);
  }

 private:
  static constexpr size_t Word(int64_t p) { return static_cast<size_t>((static_cast<uint64_t>(p) & (kSize - 1)) >> 6); }
  static constexpr uint64_t Bit(int64_t p) { return uint64_t{1} << (static_cast<uint64_t>(p) & 63); }
  static void Set(uint64_t* bits, int64_t p) { bits[Word(p)] |= Bit(p); }
  static void Clear(uint64_t* bits, int64_t p) { bits[Word(p)] &= ~Bit(p); }
  static bool Test(const uint64_t* bits, int64_t p) { return bits[Word(p)] & Bit(p); }

  bool started_ = false;
  int64_t first_ = 0;
  int64_t highest_ = 0;
  int64_t padding_total_ = 0;
  uint64_t received_[kSize / 64] = {};
  uint64_t padding_[kSize / 64] = {};
};

}  // namespace conclave
