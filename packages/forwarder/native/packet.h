// RTP headers (RFC 3550 5.1, RFC 8285): bounds-checked reading, and writing of what one receiver gets.
#pragma once

#include "types.h"

namespace conclave {

// One extension element inside a packet. `data` is null if absent.
struct ExtensionView {
  const uint8_t* data = nullptr;
  uint8_t length = 0;
};

// A parsed packet; points into the bytes it was parsed from.
struct RtpPacket {
  bool marker = false;
  uint8_t payload_type = 0;
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
  ExtensionView extensions[kExtensionCount];
  const uint8_t* payload = nullptr;
  size_t payload_length = 0;  // without padding
};

// Meaning of each possible extension id of one sender.
class ExtensionMap {
 public:
  ExtensionMap() = default;
  explicit ExtensionMap(const ExtensionIds& ids);
  // kExtensionCount if the id means nothing to us.
  uint8_t MeaningOf(uint8_t id) const { return id < 15 ? meaning_[id] : static_cast<uint8_t>(kExtensionCount); }

 private:
  uint8_t meaning_[15] = {kExtensionCount, kExtensionCount, kExtensionCount, kExtensionCount, kExtensionCount,
                          kExtensionCount, kExtensionCount, kExtensionCount, kExtensionCount, kExtensionCount,
                          kExtensionCount, kExtensionCount, kExtensionCount, kExtensionCount, kExtensionCount};
};

// Whether the datagram of the RTP/RTCP range is RTCP (RFC 5761 4: packet types 192 to 223).
inline bool IsRtcp(const uint8_t* data, size_t length) { return length >= 2 && data[1] >= 192 && data[1] <= 223; }

// False if the header, its extension block or its padding is malformed.
bool ParseRtp(const uint8_t* data, size_t length, const ExtensionMap& map, RtpPacket* out);

// Fields of an outgoing packet that differ from the incoming one.
struct OutgoingHeader {
  uint8_t payload_type = 0;
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
  uint32_t csrc = 0;
  // RTX (RFC 4588 4): the original sequence number goes before the payload.
  bool is_rtx = false;
  uint16_t original_sequence = 0;
};

// Length of the extension block's elements, as forwarded under these ids.
size_t ForwardedElements(const RtpPacket& packet, const ExtensionIds& ids);

// Writes the packet as one receiver gets it. `out` has kMaxOutgoing bytes. Returns the length, 0 if it cannot fit.
size_t WriteRtp(const RtpPacket& packet, const OutgoingHeader& header, const ExtensionIds& ids, uint32_t abs_send_time,
                uint8_t* out);

// 6.18 fixed point of seconds, 24 bits.
inline uint32_t AbsSendTime(int64_t now_us) {
  return static_cast<uint32_t>(ScaleFloor(now_us, 1 << 18, 1'000'000) & 0xffffff);
}

}  // namespace conclave
