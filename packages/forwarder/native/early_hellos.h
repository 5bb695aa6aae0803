// The first DTLS messages of clients whose path is not validated yet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "types.h"

namespace conclave {

// A client may send its ClientHello (RFC 6347 4.2.2) as soon as it may use a path, a moment before the server may. Without
// this it would come again only after the client's first timeout. Nothing is done with what is held but to hand it up
// when its path has been validated, so a stranger gains nothing; one who floods makes others wait as they would anyway.
class EarlyHellos {
 public:
  // Holds the datagram if it can be a first message, in the place of an earlier one of its path or of the oldest.
  void Hold(const PathKey& path, const uint8_t* data, size_t length, int64_t now_us) {
    if (length < kShortest || length > kLongest || data[0] != kHandshakeRecord || data[kMessageTypeAt] != kClientHello) return;
    Held* place = Find(path);
    if (place == nullptr) {
      place = &held_[next_];
      next_ = (next_ + 1) % held_.size();
    }
    place->path = path;
    place->until_us = now_us + kHoldUs;
    place->bytes.assign(data, data + length);
  }

  // What is held of the path, once; empty when there is nothing or it is too old.
  std::vector<uint8_t> Take(const PathKey& path, int64_t now_us) {
    Held* const found = Find(path);
    if (found == nullptr) return {};
    std::vector<uint8_t> bytes;
    bytes.swap(found->bytes);
    return now_us <= found->until_us ? bytes : std::vector<uint8_t>();
  }

 private:
  struct Held {
    PathKey path;
    int64_t until_us = 0;
    std::vector<uint8_t> bytes;
  };

  // Record header, message header (RFC 6347 4.1, 4.2.2).
  static constexpr size_t kShortest = 25;
  static constexpr size_t kMessageTypeAt = 13;
  static constexpr size_t kLongest = 1500;
  static constexpr uint8_t kHandshakeRecord = 22;
  static constexpr uint8_t kClientHello = 1;
  // Longer than connectivity checks take on any usable path; clients repeat themselves after a second at the latest.
  static constexpr int64_t kHoldUs = 500'000;
  // As many clients may join within the time above. More: more memory for strangers.
  static constexpr size_t kPlaces = 128;

  Held* Find(const PathKey& path) {
    for (Held& held : held_) {
      if (!held.bytes.empty() && held.path == path) return &held;
    }
    return nullptr;
  }

  std::array<Held, kPlaces> held_;
  size_t next_ = 0;
};

}  // namespace conclave
