#include "packet.h"

#include "srtp.h"

namespace conclave {
namespace {

constexpr size_t kFixedHeader = 12;
constexpr uint16_t kOneByteProfile = 0xbede;
constexpr uint16_t kTwoByteProfile = 0x1000;

void TakeElement(uint8_t id, const uint8_t* data, size_t length, const ExtensionMap& map, RtpPacket* out) {
  const uint8_t meaning = map.MeaningOf(id);
  if (meaning >= kExtensionCount || out->extensions[meaning].data != nullptr) return;
  out->extensions[meaning] = {data, static_cast<uint8_t>(length)};
}

void ReadOneByteElements(const uint8_t* p, const uint8_t* end, const ExtensionMap& map, RtpPacket* out) {
  while (p < end) {
    const uint8_t id = *p >> 4;
    const size_t length = static_cast<size_t>(*p & 15) + 1;
    if (*p++ == 0) continue;
    if (id == 0 || id == 15 || length > static_cast<size_t>(end - p)) return;
    TakeElement(id, p, length, map, out);
    p += length;
  }
}

void ReadTwoByteElements(const uint8_t* p, const uint8_t* end, const ExtensionMap& map, RtpPacket* out) {
  while (p < end) {
    const uint8_t id = *p++;
    if (id == 0) continue;
    if (p == end) return;
    const size_t length = *p++;
    if (length > static_cast<size_t>(end - p)) return;
    TakeElement(id, p, length, map, out);
    p += length;
  }
}

}  // namespace

ExtensionMap::ExtensionMap(const ExtensionIds& ids) {
  for (uint8_t meaning = 0; meaning < kExtensionCount; ++meaning) {
    const uint8_t id = ids.id[meaning];
    if (id > 0 && id < 15) meaning_[id] = meaning;
  }
}

bool ParseRtp(const uint8_t* data, size_t length, const ExtensionMap& map, RtpPacket* out) {
  *out = RtpPacket{};
  if (length < kFixedHeader || data[0] >> 6 != 2) return false;
  const bool padded = data[0] & 0x20;
  const bool extended = data[0] & 0x10;
  out->marker = data[1] & 0x80;
  out->payload_type = data[1] & 0x7f;
  out->sequence = ReadU16(data + 2);
  out->timestamp = ReadU32(data + 4);
  out->ssrc = ReadU32(data + 8);
  size_t at = kFixedHeader + 4 * static_cast<size_t>(data[0] & 15);
  if (at > length) return false;
  if (extended) {
    if (length - at < 4) return false;
    const uint16_t profile = ReadU16(data + at);
    const size_t block = 4 * static_cast<size_t>(ReadU16(data + at + 2));
    at += 4;
    if (length - at < block) return false;
    const uint8_t* p = data + at;
    if (profile == kOneByteProfile) {
      ReadOneByteElements(p, p + block, map, out);
    } else if ((profile & 0xfff0) == kTwoByteProfile) {
      ReadTwoByteElements(p, p + block, map, out);
    }
    at += block;
  }
  size_t end = length;
  if (padded) {
    const size_t padding = data[length - 1];
    if (padding == 0 || padding > length - at) return false;
    end -= padding;
  }
  out->payload = data + at;
  out->payload_length = end - at;
  return true;
}

size_t ForwardedElements(const RtpPacket& packet, const ExtensionIds& ids) {
  size_t bytes = 0;
  for (size_t meaning = 0; meaning < kForwardedExtensions; ++meaning) {
    const ExtensionView& view = packet.extensions[meaning];
    if (view.data == nullptr || ids.id[meaning] == 0 || view.length < 1 || view.length > 16) continue;
    bytes += 1 + (meaning == kAbsSendTime ? 3u : view.length);
  }
  return bytes;
}

size_t WriteRtp(const RtpPacket& packet, const OutgoingHeader& header, const ExtensionIds& ids, uint32_t abs_send_time,
                uint8_t* out) {
  const size_t block = ForwardedElements(packet, ids);
  const size_t padded_block = (block + 3) & ~size_t{3};
  const size_t header_length = kFixedHeader + 4 + (block > 0 ? 4 + padded_block : 0) + (header.is_rtx ? 2 : 0);
  const size_t total = header_length + packet.payload_length;
  if (total + kSrtpMaxTrailer > kMaxOutgoing) return 0;

  out[0] = static_cast<uint8_t>(0x80 | (block > 0 ? 0x10 : 0) | 1);
  out[1] = static_cast<uint8_t>((packet.marker ? 0x80 : 0) | header.payload_type);
  WriteU16(out + 2, header.sequence);
  WriteU32(out + 4, header.timestamp);
  WriteU32(out + 8, header.ssrc);
  WriteU32(out + 12, header.csrc);
  uint8_t* p = out + 16;
  if (block > 0) {
    WriteU16(p, kOneByteProfile);
    WriteU16(p + 2, static_cast<uint16_t>(padded_block / 4));
    p += 4;
    uint8_t* const block_end = p + padded_block;
    for (size_t meaning = 0; meaning < kForwardedExtensions; ++meaning) {
      const ExtensionView& view = packet.extensions[meaning];
      if (view.data == nullptr || ids.id[meaning] == 0 || view.length < 1 || view.length > 16) continue;
      const uint8_t length = meaning == kAbsSendTime ? 3 : view.length;
      *p++ = static_cast<uint8_t>(ids.id[meaning] << 4 | (length - 1));
      if (meaning == kAbsSendTime) {
        WriteU24(p, abs_send_time);
      } else {
        std::memcpy(p, view.data, length);
      }
      p += length;
    }
    while (p < block_end) *p++ = 0;
  }
  if (header.is_rtx) {
    WriteU16(p, header.original_sequence);
    p += 2;
  }
  if (packet.payload_length > 0) std::memcpy(p, packet.payload, packet.payload_length);
  return total;
}

}  // namespace conclave
