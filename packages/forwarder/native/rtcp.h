// RTCP (RFC 3550 6, RFC 4585 6, RFC 5104 4.3): walking a compound packet, and writing ours.
#pragma once

#include <string>
#include <vector>

#include "types.h"

namespace conclave {

constexpr uint8_t kRtcpSenderReport = 200;
constexpr uint8_t kRtcpReceiverReport = 201;
constexpr uint8_t kRtcpSourceDescription = 202;
constexpr uint8_t kRtcpTransportFeedback = 205;  // RTPFB
constexpr uint8_t kRtcpPayloadFeedback = 206;    // PSFB
constexpr uint8_t kFormatNack = 1;
constexpr uint8_t kFormatTransportWide = 15;
constexpr uint8_t kFormatPli = 1;
constexpr uint8_t kFormatFir = 4;

// One packet of a compound; `body` follows the common header of 4 bytes, padding removed.
struct RtcpPart {
  uint8_t count = 0;  // or feedback format
  uint8_t type = 0;
  const uint8_t* body = nullptr;
  size_t length = 0;
};

// Walks a compound packet. A part whose length lies ends the walk.
class RtcpWalker {
 public:
  RtcpWalker(const uint8_t* data, size_t length) : p_(data), left_(length) {}
  bool Next(RtcpPart* part);

 private:
  const uint8_t* p_;
  size_t left_;
};

struct RtcpSenderInfo {
  uint32_t ssrc = 0;
  uint32_t ntp_seconds = 0;
  uint32_t ntp_fraction = 0;
  uint32_t rtp_timestamp = 0;
  uint32_t packets = 0;
  uint32_t bytes = 0;
};

struct RtcpReportBlock {
  uint32_t ssrc = 0;
  uint8_t fraction_lost = 0;
  int32_t cumulative_lost = 0;
  uint32_t highest_sequence = 0;
  uint32_t jitter = 0;
  uint32_t last_report = 0;
  uint32_t delay = 0;  // 1/65536 s
};

constexpr size_t kSenderInfoBytes = 24;
constexpr size_t kReportBlockBytes = 24;
RtcpSenderInfo ReadSenderInfo(const uint8_t* p);
RtcpReportBlock ReadReportBlock(const uint8_t* p);

// NTP time in microseconds, fraction rounded down.
inline int64_t NtpToUs(uint32_t seconds, uint32_t fraction) {
  return int64_t{seconds} * 1'000'000 + static_cast<int64_t>(uint64_t{fraction} * 1'000'000 >> 32);
}
// Fixed point 32.32 seconds of a time in microseconds.
inline uint64_t UsToNtp(int64_t us) {
  const uint64_t seconds = static_cast<uint64_t>(us / 1'000'000);
  const uint64_t rest = static_cast<uint64_t>(us % 1'000'000);
  return seconds << 32 | ((rest << 32) / 1'000'000);
}

// Composes packets of at most kCapacity bytes; what does not fit is refused whole.
class RtcpWriter {
 public:
  static constexpr size_t kCapacity = 1200;

  bool SenderReport(const RtcpSenderInfo& info);
  // At most 31 blocks.
  bool ReceiverReport(uint32_t sender_ssrc, const RtcpReportBlock* blocks, size_t count);
  static size_t SourceDescriptionBytes(size_t count, const std::string& cname);
  bool SourceDescription(const uint32_t* ssrcs, size_t count, const std::string& cname);
  bool Pli(uint32_t sender_ssrc, uint32_t media_ssrc);
  bool Fir(uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t sequence);
  // Packs ascending numbers into as many items as needed; what does not fit is left out.
  bool Nack(uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t* sequences, size_t count);

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  size_t room() const { return kCapacity - size_; }

 private:
  uint8_t* Begin(uint8_t count, uint8_t type, size_t bytes);

  uint8_t data_[kCapacity];
  size_t size_ = 0;
};

}  // namespace conclave
