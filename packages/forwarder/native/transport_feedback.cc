#include "transport_feedback.h"

#include <algorithm>

#include "rtcp.h"

namespace conclave {
namespace {

constexpr int64_t kTickUs = 250;
constexpr int64_t kReferenceTicks = 256;  // 64 ms
constexpr size_t kHeader = 20;            // up to the first chunk
constexpr size_t kMaxRun = 8191;
// Statuses of one packet. 65535 is the field's bound; the ring bounds it further.
constexpr size_t kMaxStatuses = 1024;

enum Symbol : uint8_t { kNotReceived = 0, kSmallDelta = 1, kLargeDelta = 2 };

size_t RunAt(const uint8_t* symbols, size_t count) {
  size_t n = 1;
  while (n < count && n < kMaxRun && symbols[n] == symbols[0]) ++n;
  return n;
}

// Writes the chunk that covers the most of the next symbols; returns how many it covers.
size_t WriteChunk(const uint8_t* symbols, size_t count, uint8_t* out) {
  const size_t run = RunAt(symbols, count);
  size_t narrow = 0;
  while (narrow < count && narrow < 14 && symbols[narrow] != kLargeDelta) ++narrow;
  // A vector always stands for 14: only the end of the list may cut it short.
  if (narrow < 14 && narrow < count) narrow = 0;
  const size_t wide = std::min<size_t>(count, 7);
  if (run >= std::max(narrow, wide)) {
    WriteU16(out, static_cast<uint16_t>(symbols[0] << 13 | run));
    return run;
  }
  uint16_t chunk = 0x8000;
  if (narrow >= wide) {
    for (size_t i = 0; i < narrow; ++i) chunk = static_cast<uint16_t>(chunk | symbols[i] << (13 - i));
    WriteU16(out, chunk);
    return narrow;
  }
  chunk |= 0x4000;
  for (size_t i = 0; i < wide; ++i) chunk = static_cast<uint16_t>(chunk | symbols[i] << (12 - 2 * i));
  WriteU16(out, chunk);
  return wide;
}

}  // namespace

const TransportFeedback::Arrival* TransportFeedback::Find(int64_t sequence) const {
  const Arrival& entry = ring_[static_cast<uint64_t>(sequence) & (kRing - 1)];
  return entry.sequence == sequence ? &entry : nullptr;
}

void TransportFeedback::OnArrival(uint16_t number, int64_t now_us) {
  if (ring_.empty()) ring_.resize(kRing);
  int64_t sequence;
  if (!started_) {
    started_ = true;
    // Far enough from zero that a reordered first packet stays positive.
    sequence = int64_t{number} + 65536;
    newest_ = sequence;
    next_ = sequence;
  } else {
    sequence = newest_ + static_cast<int16_t>(static_cast<uint16_t>(number - static_cast<uint16_t>(newest_)));
  }
  if (sequence <= newest_ - kRing || sequence < 0) return;
  if (Find(sequence) != nullptr) return;
  newest_ = std::max(newest_, sequence);
  ring_[static_cast<uint64_t>(sequence) & (kRing - 1)] = {sequence, now_us / kTickUs};
  oldest_pending_ = pending_ ? std::min(oldest_pending_, sequence) : sequence;
  pending_ = true;
}

size_t TransportFeedback::Build(uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t* out) {
  if (!pending_) return 0;
  // Losses since the last report are told of too, unless the gap is a break in numbering.
  int64_t base = std::min(next_, oldest_pending_);
  if (base <= newest_ - kRing) base = oldest_pending_;
  base = std::max(base, newest_ - kRing + 1);

  int64_t first = base;
  while (first <= newest_ && Find(first) == nullptr) ++first;
  const int64_t reference = Find(first)->ticks / kReferenceTicks;
  int64_t previous = reference * kReferenceTicks;

  uint8_t symbols[kMaxStatuses];
  uint8_t deltas[2 * kMaxStatuses];
  size_t count = 0;
  size_t delta_bytes = 0;
  size_t received_end = 0;  // statuses up to the last received
  int64_t at = base;
  for (; at <= newest_ && count < kMaxStatuses; ++at) {
    const Arrival* arrival = Find(at);
    if (arrival == nullptr) {
      symbols[count++] = kNotReceived;
      continue;
    }
    const int64_t delta = arrival->ticks - previous;
    if (delta < INT16_MIN || delta > INT16_MAX) break;
    // Seven statuses a chunk is the worst case.
    if (kHeader + 2 * (count / 7 + 1) + delta_bytes + 2 + 3 > kMaxPacket) break;
    if (delta >= 0 && delta <= 255) {
      symbols[count++] = kSmallDelta;
      deltas[delta_bytes++] = static_cast<uint8_t>(delta);
    } else {
      symbols[count++] = kLargeDelta;
      WriteU16(deltas + delta_bytes, static_cast<uint16_t>(delta));
      delta_bytes += 2;
    }
    previous = arrival->ticks;
    received_end = count;
  }
  count = received_end;

  uint8_t* p = out + kHeader;
  for (size_t i = 0; i < count; p += 2) i += WriteChunk(symbols + i, count - i, p);
  std::copy(deltas, deltas + delta_bytes, p);
  p += delta_bytes;
  const size_t unpadded = static_cast<size_t>(p - out);
  const size_t length = (unpadded + 3) & ~size_t{3};
  const size_t padding = length - unpadded;
  for (size_t i = 0; i < padding; ++i) *p++ = i + 1 == padding ? static_cast<uint8_t>(padding) : 0;

  out[0] = static_cast<uint8_t>(0x80 | (padding > 0 ? 0x20 : 0) | kFormatTransportWide);
  out[1] = kRtcpTransportFeedback;
  WriteU16(out + 2, static_cast<uint16_t>(length / 4 - 1));
  WriteU32(out + 4, sender_ssrc);
  WriteU32(out + 8, media_ssrc);
  WriteU16(out + 12, static_cast<uint16_t>(base));
  WriteU16(out + 14, static_cast<uint16_t>(count));
  WriteU24(out + 16, static_cast<uint32_t>(reference) & 0xffffff);
  out[19] = count_++;

  const int64_t end = base + static_cast<int64_t>(count);
  next_ = std::max(next_, end);
  int64_t rest = end;
  while (rest <= newest_ && Find(rest) == nullptr) ++rest;
  pending_ = rest <= newest_;
  oldest_pending_ = rest;
  // What a split left over begins at its own first number.
  if (pending_) next_ = end;
  return length;
}

}  // namespace conclave
