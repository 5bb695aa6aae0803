#include "event_queue.h"

#include <algorithm>
#include <cstring>

namespace conclave {

bool EventQueue::Append(const uint8_t* record, size_t length, size_t bound, bool* was_empty) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (buffer_.size() + length > bound) return false;
  *was_empty = buffer_.empty();
  buffer_.insert(buffer_.end(), record, record + length);
  return true;
}

void EventQueue::Drain(std::vector<uint8_t>* out) {
  std::lock_guard<std::mutex> lock(mutex_);
  out->insert(out->end(), buffer_.begin(), buffer_.end());
  buffer_.clear();
}

EventRecord::EventRecord(EventType type) {
  size_ = 4;
  U8(static_cast<uint8_t>(type));
}

EventRecord& EventRecord::U8(uint8_t v) {
  if (size_ < sizeof data_) data_[size_++] = v;
  return *this;
}

EventRecord& EventRecord::U32(uint32_t v) {
  for (int shift = 0; shift < 32; shift += 8) U8(static_cast<uint8_t>(v >> shift));
  return *this;
}

EventRecord& EventRecord::F64(double v) {
  uint64_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  U32(static_cast<uint32_t>(bits));
  return U32(static_cast<uint32_t>(bits >> 32));
}

EventRecord& EventRecord::Path(const PathKey& path) {
  F64(static_cast<double>(path.socket));
  U8(path.remote.family);
  for (size_t i = 0; i < (path.remote.family == 6 ? 16u : 4u); ++i) U8(path.remote.bytes[i]);
  U8(static_cast<uint8_t>(path.remote.port));
  return U8(static_cast<uint8_t>(path.remote.port >> 8));
}

EventRecord& EventRecord::Bytes(const uint8_t* data, size_t length) {
  const size_t room = sizeof data_ - size_;
  const size_t taken = std::min(length, room > 2 ? room - 2 : 0);
  U8(static_cast<uint8_t>(taken));
  U8(static_cast<uint8_t>(taken >> 8));
  if (taken > 0) {
    std::memcpy(data_ + size_, data, taken);
    size_ += taken;
  }
  return *this;
}

const uint8_t* EventRecord::Finish() {
  for (int i = 0; i < 4; ++i) data_[i] = static_cast<uint8_t>(size_ >> (8 * i));
  return data_;
}

}  // namespace conclave
