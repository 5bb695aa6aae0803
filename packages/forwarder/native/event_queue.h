// Events on their way to JavaScript: binary records in one bounded buffer, little-endian.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "types.h"

namespace conclave {

enum class EventType : uint8_t {
  kStun = 1,
  kDtls = 2,
  kPathClosed = 3,
  kUnknownSsrc = 4,
  kAudioOnset = 5,
  kKeyFrameNeeded = 6,
  kSwitched = 7,
  kSwitchDeadline = 8,
  kReceiverReport = 9,
};

// A queue from one forwarding thread to JavaScript's. Never blocks for longer than a copy; over the bound it refuses.
class EventQueue {
 public:
  // Bytes that may wait. Lower: bursts of STUN are lost while JavaScript is busy; higher: more memory under a flood.
  static constexpr size_t kMaxBytes = 4 << 20;
  // STUN comes from anyone, so it may take half only.
  static constexpr size_t kMaxBytesForStun = kMaxBytes / 2;

  // Appends one record. False if there is no room; `was_empty` tells whether a wake-up is needed.
  bool Append(const uint8_t* record, size_t length, size_t bound, bool* was_empty);
  // Moves all records to the end of `out`.
  void Drain(std::vector<uint8_t>* out);

 private:
  std::mutex mutex_;
  std::vector<uint8_t> buffer_;
};

// Lets one event of each id through per interval: what a peer can cause as often as it likes must not keep JavaScript
// busy. Of fixed size: ids that share a cell let too many through, never too few.
class EventThrottle {
 public:
  explicit EventThrottle(int64_t interval_us) : interval_us_(interval_us), cells_(kCells) {}
  bool Admit(uint32_t id, int64_t now_us) {
    Cell& cell = cells_[id % kCells];
    if (cell.used && cell.id == id && now_us - cell.last_us < interval_us_) return false;
    cell = {true, id, now_us};
    return true;
  }

 private:
  static constexpr size_t kCells = 4096;
  struct Cell {
    bool used = false;
    uint32_t id = 0;
    int64_t last_us = 0;
  };
  int64_t interval_us_;
  std::vector<Cell> cells_;
};

// Composes one record on the stack: u32 length of the whole record, u8 type, fields.
class EventRecord {
 public:
  explicit EventRecord(EventType type);
  EventRecord& U8(uint8_t v);
  EventRecord& U32(uint32_t v);
  EventRecord& F64(double v);
  EventRecord& Path(const PathKey& path);
  // u16 length, then the bytes. Cut at what fits.
  EventRecord& Bytes(const uint8_t* data, size_t length);
  // Sets the length field; the record is complete then.
  const uint8_t* Finish();
  size_t size() const { return size_; }
  EventType type() const { return static_cast<EventType>(data_[4]); }
  // The number that most records begin with: an ingress, an egress, a peer.
  uint32_t first_id() const {
    return uint32_t{data_[5]} | uint32_t{data_[6]} << 8 | uint32_t{data_[7]} << 16 | uint32_t{data_[8]} << 24;
  }

 private:
  uint8_t data_[kMaxOutgoing + 64];
  size_t size_ = 0;
};

}  // namespace conclave
