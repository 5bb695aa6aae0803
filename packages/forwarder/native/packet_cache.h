// Original packets of one incoming stream, kept for retransmission.
#pragma once

#include <cstdint>
#include <vector>

#include "types.h"

namespace conclave {

struct CachedPacket {
  bool used = false;
  // The bytes are an RTX packet that carries the original.
  bool is_rtx = false;
  int64_t position = 0;
  int64_t arrival_us = 0;
  std::vector<uint8_t> bytes;
};

// A ring by position. It begins small and doubles while packets would be lost before kKeepUs have passed, so that its
// memory follows the stream's rate; entries keep their storage.
class PacketCache {
 public:
  // How long a packet stays useful. Lower: long round trips lose repairs; higher: more memory per stream.
  static constexpr int64_t kKeepUs = 1'000'000;

  explicit PacketCache(MediaKind kind) : max_entries_(kind == MediaKind::kVideo ? 512 : 64) {}

  void Put(int64_t position, int64_t now_us, bool is_rtx, const uint8_t* data, size_t length);
  // Null if it was never here or is overwritten.
  const CachedPacket* Find(int64_t position) const;

 private:
  void Grow();
  CachedPacket& At(int64_t position) { return ring_[static_cast<uint64_t>(position) & (ring_.size() - 1)]; }

  size_t max_entries_;
  std::vector<CachedPacket> ring_;
};

}  // namespace conclave
