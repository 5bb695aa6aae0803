#include "packet_cache.h"

#include <utility>

namespace conclave {
namespace {
constexpr size_t kInitialEntries = 32;
}

void PacketCache::Put(int64_t position, int64_t now_us, bool is_rtx, const uint8_t* data, size_t length) {
  if (ring_.empty()) ring_.resize(kInitialEntries);
  for (;;) {
    const CachedPacket& old = At(position);
    if (!old.used || now_us - old.arrival_us >= kKeepUs || ring_.size() >= max_entries_) break;
    Grow();
  }
  CachedPacket& entry = At(position);
  // A late packet must not push out a newer one.
  if (entry.used && entry.position > position && now_us - entry.arrival_us < kKeepUs) return;
  entry.used = true;
  entry.is_rtx = is_rtx;
  entry.position = position;
  entry.arrival_us = now_us;
  entry.bytes.assign(data, data + length);
}

const CachedPacket* PacketCache::Find(int64_t position) const {
  if (ring_.empty()) return nullptr;
  const CachedPacket& entry = ring_[static_cast<uint64_t>(position) & (ring_.size() - 1)];
  return entry.used && entry.position == position ? &entry : nullptr;
}

void PacketCache::Grow() {
  std::vector<CachedPacket> old(ring_.size() * 2);
  old.swap(ring_);
  for (CachedPacket& entry : old) {
    if (entry.used) At(entry.position) = std::move(entry);
  }
}

}  // namespace conclave
