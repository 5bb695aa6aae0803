// Packet indices of SRTP streams: the guess at the rollover counter, replay windows, and the table of SSRCs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace conclave {

// One more than the largest 48-bit index (RFC 3711 9.2).
constexpr uint64_t kSrtpIndexEnd = uint64_t{1} << 48;

// The index nearest to `highest` whose low 16 bits are `sequence` (RFC 3711 3.3.1 and appendix A). False when it
// would lie before the first possible one. May return kSrtpIndexEnd or more, which no packet may use.
inline bool EstimateSrtpIndex(uint64_t highest, uint16_t sequence, uint64_t* index) {
  const uint64_t rollover = highest >> 16;
  const uint32_t last = highest & 0xffff;
  uint64_t guess = rollover;
  if (last < 0x8000) {
    if (sequence > last + 0x8000) {
      if (rollover == 0) return false;
      guess = rollover - 1;
    }
  } else if (last - 0x8000 > sequence) {
    guess = rollover + 1;
  }
  *index = guess << 16 | sequence;
  return true;
}

// Which of the last kBits indices were seen (RFC 3711 3.3.2). A wide one costs memory alone; a narrow one drops what a
// jitter or retransmission delays.
template <size_t kBits>
class ReplayWindow {
 public:
  enum class Verdict : uint8_t { kNew, kSeen, kTooOld };

  bool empty() const { return empty_; }
  uint64_t highest() const { return highest_; }

  Verdict Check(uint64_t index) const {
    if (empty_ || index > highest_) return Verdict::kNew;
    if (highest_ - index >= kBits) return Verdict::kTooOld;
    return (bits_[Word(index)] & Bit(index)) != 0 ? Verdict::kSeen : Verdict::kNew;
  }

  // Of an index that Check called new.
  void Record(uint64_t index) {
    if (empty_) {
      empty_ = false;
      highest_ = index;
    } else if (index > highest_) {
      if (index - highest_ >= kBits) {
        for (uint64_t& word : bits_) word = 0;
      } else {
        for (uint64_t i = highest_ + 1; i < index; i++) bits_[Word(i)] &= ~Bit(i);
      }
      highest_ = index;
    }
    bits_[Word(index)] |= Bit(index);
  }

 private:
  static_assert(kBits % 64 == 0 && (kBits & (kBits - 1)) == 0, "positions are taken modulo the size");
  static constexpr size_t Word(uint64_t index) { return (index % kBits) / 64; }
  static constexpr uint64_t Bit(uint64_t index) { return uint64_t{1} << (index % 64); }

  uint64_t highest_ = 0;
  uint64_t bits_[kBits / 64] = {};
  bool empty_ = true;
};

// State by SSRC, in one array with open addressing. Nothing is ever removed: whoever forgot an SSRC would use its
// indices again.
template <typename State>
class SsrcTable {
 public:
  size_t size() const { return size_; }

  State* Find(uint32_t ssrc) {
    if (slots_.empty()) return nullptr;
    for (size_t i = Home(ssrc);; i = (i + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[i];
      if (!slot.used) return nullptr;
      if (slot.ssrc == ssrc) return &slot.state;
    }
  }

  // Of an SSRC that Find did not find. Moves the others: pointers from earlier calls are void.
  State* Insert(uint32_t ssrc) {
    if ((size_ + 1) * 4 > slots_.size() * 3) Grow();
    size_++;
    Slot* slot = FreeSlot(ssrc);
    slot->used = true;
    slot->ssrc = ssrc;
    return &slot->state;
  }

 private:
  struct Slot {
    bool used = false;
    uint32_t ssrc = 0;
    State state;
  };

  size_t Home(uint32_t ssrc) const { return (ssrc * 0x9e3779b1u >> 16) & (slots_.size() - 1); }

  Slot* FreeSlot(uint32_t ssrc) {
    size_t i = Home(ssrc);
    while (slots_[i].used) i = (i + 1) & (slots_.size() - 1);
    return &slots_[i];
  }

  void Grow() {
    std::vector<Slot> old(slots_.empty() ? 4 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.used) *FreeSlot(slot.ssrc) = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace conclave
