#include "rtcp.h"

#include <algorithm>

namespace conclave {

bool RtcpWalker::Next(RtcpPart* part) {
  if (left_ < 4 || p_[0] >> 6 != 2) return false;
  const size_t total = 4 * (static_cast<size_t>(ReadU16(p_ + 2)) + 1);
  if (total > left_) return false;
  size_t body = total - 4;
  if (p_[0] & 0x20) {
    const size_t padding = p_[total - 1];
    if (padding == 0 || padding > body) return false;
    body -= padding;
  }
  part->count = p_[0] & 31;
  part->type = p_[1];
  part->body = p_ + 4;
  part->length = body;
  p_ += total;
  left_ -= total;
  return true;
}

RtcpSenderInfo ReadSenderInfo(const uint8_t* p) {
  RtcpSenderInfo info;
  info.ssrc = ReadU32(p);
  info.ntp_seconds = ReadU32(p + 4);
  info.ntp_fraction = ReadU32(p + 8);
  info.rtp_timestamp = ReadU32(p + 12);
  info.packets = ReadU32(p + 16);
  info.bytes = ReadU32(p + 20);
  return info;
}

RtcpReportBlock ReadReportBlock(const uint8_t* p) {
  RtcpReportBlock block;
  block.ssrc = ReadU32(p);
  block.fraction_lost = p[4];
  const uint32_t lost = ReadU24(p + 5);
  block.cumulative_lost = lost & 0x800000 ? static_cast<int32_t>(lost) - 0x1000000 : static_cast<int32_t>(lost);
  block.highest_sequence = ReadU32(p + 8);
  block.jitter = ReadU32(p + 12);
  block.last_report = ReadU32(p + 16);
  block.delay = ReadU32(p + 20);
  return block;
}

// Appends a packet's header; null if the packet, `bytes` long in all, does not fit.
uint8_t* RtcpWriter::Begin(uint8_t count, uint8_t type, size_t bytes) {
  if (bytes > room()) return nullptr;
  uint8_t* p = data_ + size_;
  p[0] = static_cast<uint8_t>(0x80 | count);
  p[1] = type;
  WriteU16(p + 2, static_cast<uint16_t>(bytes / 4 - 1));
  size_ += bytes;
  return p + 4;
}

bool RtcpWriter::SenderReport(const RtcpSenderInfo& info) {
  uint8_t* p = Begin(0, kRtcpSenderReport, 4 + kSenderInfoBytes);
  if (p == nullptr) return false;
  const uint32_t fields[] = {info.ssrc, info.ntp_seconds, info.ntp_fraction, info.rtp_timestamp, info.packets, info.bytes};
  for (const uint32_t field : fields) {
    WriteU32(p, field);
    p += 4;
  }
  return true;
}

bool RtcpWriter::ReceiverReport(uint32_t sender_ssrc, const RtcpReportBlock* blocks, size_t count) {
  uint8_t* p = Begin(static_cast<uint8_t>(count), kRtcpReceiverReport, 8 + kReportBlockBytes * count);
  if (p == nullptr) return false;
  WriteU32(p, sender_ssrc);
  p += 4;
  for (size_t i = 0; i < count; ++i, p += kReportBlockBytes) {
    const RtcpReportBlock& b = blocks[i];
    WriteU32(p, b.ssrc);
    p[4] = b.fraction_lost;
    WriteU24(p + 5, static_cast<uint32_t>(b.cumulative_lost) & 0xffffff);
    WriteU32(p + 8, b.highest_sequence);
    WriteU32(p + 12, b.jitter);
    WriteU32(p + 16, b.last_report);
    WriteU32(p + 20, b.delay);
  }
  return true;
}

namespace {
// SSRC, item header, text, at least one zero that ends the list, up to a whole word (RFC 3550 6.5).
size_t ChunkBytes(const std::string& cname) { return (4 + 2 + cname.size() + 1 + 3) & ~size_t{3}; }
}  // namespace

size_t RtcpWriter::SourceDescriptionBytes(size_t count, const std::string& cname) { return 4 + count * ChunkBytes(cname); }

bool RtcpWriter::SourceDescription(const uint32_t* ssrcs, size_t count, const std::string& cname) {
  constexpr uint8_t kCname = 1;
  const size_t chunk = ChunkBytes(cname);
  uint8_t* p = Begin(static_cast<uint8_t>(count), kRtcpSourceDescription, SourceDescriptionBytes(count, cname));
  if (p == nullptr) return false;
  std::memset(p, 0, chunk * count);
  for (size_t i = 0; i < count; ++i, p += chunk) {
    WriteU32(p, ssrcs[i]);
    p[4] = kCname;
    p[5] = static_cast<uint8_t>(cname.size());
    std::memcpy(p + 6, cname.data(), cname.size());
  }
  return true;
}

bool RtcpWriter::Pli(uint32_t sender_ssrc, uint32_t media_ssrc) {
  uint8_t* p = Begin(kFormatPli, kRtcpPayloadFeedback, 12);
  if (p == nullptr) return false;
  WriteU32(p, sender_ssrc);
  WriteU32(p + 4, media_ssrc);
  return true;
}

bool RtcpWriter::Fir(uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t sequence) {
  uint8_t* p = Begin(kFormatFir, kRtcpPayloadFeedback, 20);
  if (p == nullptr) return false;
  WriteU32(p, sender_ssrc);
  WriteU32(p + 4, 0);
  WriteU32(p + 8, media_ssrc);
  WriteU32(p + 12, uint32_t{sequence} << 24);
  return true;
}

bool RtcpWriter::Nack(uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t* sequences, size_t count) {
  if (room() < 16) return false;
  const size_t max_items = (room() - 12) / 4;
  const size_t begin = size_;
  uint8_t* p = Begin(kFormatNack, kRtcpTransportFeedback, 12);
  WriteU32(p, sender_ssrc);
  WriteU32(p + 4, media_ssrc);
  size_t items = 0;
  for (size_t i = 0; i < count && items < max_items; ++items) {
    const uint16_t first = sequences[i++];
    uint16_t following = 0;
    for (; i < count; ++i) {
      const uint16_t distance = static_cast<uint16_t>(sequences[i] - first);
      if (distance < 1 || distance > 16) break;
      following = static_cast<uint16_t>(following | 1 << (distance - 1));
    }
    WriteU16(data_ + size_, first);
    WriteU16(data_ + size_ + 2, following);
    size_ += 4;
  }
  WriteU16(data_ + begin + 2, static_cast<uint16_t>((size_ - begin) / 4 - 1));
  return true;
}

}  // namespace conclave
