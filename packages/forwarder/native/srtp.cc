#include "srtp.h"

#include <openssl/err.h>

#include <cstring>

#include "srtp_cipher.h"
#include "srtp_index.h"
#include "srtp_keys.h"

namespace conclave {
namespace {

constexpr size_t kRtpHeaderLength = 12;
constexpr size_t kRtcpHeaderLength = 8;
constexpr size_t kRtcpWordLength = 4;
constexpr uint32_t kRtcpEncryptedFlag = 0x80000000;
constexpr uint32_t kRtcpIndexEnd = 0x80000000;
// At 1000 packets a second, a second of delay.
constexpr size_t kRtpWindowBits = 1024;
constexpr size_t kRtcpWindowBits = 128;

using RtpWindow = ReplayWindow<kRtpWindowBits>;
using RtcpWindow = ReplayWindow<kRtcpWindowBits>;

uint32_t ReadUint32(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

void WriteUint32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

// Length of fixed header, contributing sources and extension (RFC 3550 5.1); 0 when they do not fit in `length`.
size_t ParseRtpHeaderLength(const uint8_t* packet, size_t length) {
  if (length < kRtpHeaderLength || packet[0] >> 6 != 2) return 0;
  size_t header_length = kRtpHeaderLength + size_t{4} * (packet[0] & 0x0f);
  if ((packet[0] & 0x10) != 0) {
    if (length < header_length + 4) return 0;
    header_length += 4 + size_t{4} * (packet[header_length + 2] << 8 | packet[header_length + 3]);
  }
  return header_length <= length ? header_length : 0;
}

bool IsRtcp(const uint8_t* packet, size_t length) { return length >= kRtcpHeaderLength && packet[0] >> 6 == 2; }

template <typename Verdict>
SrtpStatus StatusOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNew:
      return SrtpStatus::kOk;
    case Verdict::kSeen:
      return SrtpStatus::kReplayed;
    case Verdict::kTooOld:
      return SrtpStatus::kTooOld;
  }
  return SrtpStatus::kTooOld;
}

// The index of a packet with this sequence number, and whether the stream may take it. A stream without packets starts
// at `rollover`.
SrtpStatus PlaceRtp(const RtpWindow* window, uint32_t rollover, uint16_t sequence, uint64_t* index) {
  if (window == nullptr || window->empty()) {
    *index = uint64_t{rollover} << 16 | sequence;
    return SrtpStatus::kOk;
  }
  if (!EstimateSrtpIndex(window->highest(), sequence, index)) return SrtpStatus::kTooOld;
  if (*index >= kSrtpIndexEnd) return SrtpStatus::kIndexExhausted;
  return StatusOf(window->Check(*index));
}

struct Ciphers {
  std::unique_ptr<SrtpCipher> rtp;
  std::unique_ptr<SrtpCipher> rtcp;

  bool Create(const SrtpKeyMaterial& material, bool seal) {
    SrtpSessionKeys rtp_keys;
    SrtpSessionKeys rtcp_keys;
    if (!DeriveSrtpSessionKeys(material, SrtpStreamKind::kRtp, &rtp_keys)) return false;
    if (!DeriveSrtpSessionKeys(material, SrtpStreamKind::kRtcp, &rtcp_keys)) return false;
    rtp = SrtpCipher::Create(material.profile, SrtpStreamKind::kRtp, rtp_keys, seal);
    rtcp = SrtpCipher::Create(material.profile, SrtpStreamKind::kRtcp, rtcp_keys, seal);
    return rtp != nullptr && rtcp != nullptr;
  }
};

class Sender final : public SrtpSender {
 public:
  Sender(Ciphers ciphers, const SrtpStart& start) : ciphers_(std::move(ciphers)), start_(start) {}

  SrtpStatus ProtectRtp(uint8_t* packet, size_t* length, size_t capacity) override {
    SrtpCipher& cipher = *ciphers_.rtp;
    const size_t header_length = ParseRtpHeaderLength(packet, *length);
    if (header_length == 0 || *length + cipher.tag_length() > capacity) return SrtpStatus::kMalformed;
    const uint32_t ssrc = ReadUint32(packet + 8);
    RtpWindow* window = windows_.Find(ssrc);
    uint64_t index = 0;
    const SrtpStatus placed =
        PlaceRtp(window, start_.rollover_counter, static_cast<uint16_t>(packet[2] << 8 | packet[3]), &index);
    if (placed != SrtpStatus::kOk) return placed;
    if (window == nullptr) window = windows_.Insert(ssrc);
    // Taken before it is used: were it used and not taken, a second use would give the key away.
    window->Record(index);
    uint8_t rollover[4];
    WriteUint32(rollover, static_cast<uint32_t>(index >> 16));
    const SrtpUnit unit = {ssrc, index, packet, header_length, *length, rollover};
    if (!cipher.Seal(unit, packet + *length)) {
      ERR_clear_error();
      return SrtpStatus::kCryptoFailure;
    }
    *length += cipher.tag_length();
    return SrtpStatus::kOk;
  }

  SrtpStatus ProtectRtcp(uint8_t* packet, size_t* length, size_t capacity) override {
    SrtpCipher& cipher = *ciphers_.rtcp;
    if (!IsRtcp(packet, *length) || *length + cipher.tag_length() + kRtcpWordLength > capacity) {
      return SrtpStatus::kMalformed;
    }
    if (start_.rtcp_index >= kRtcpIndexEnd) return SrtpStatus::kIndexExhausted;
    const uint32_t index = start_.rtcp_index++;
    uint8_t word[kRtcpWordLength];
    WriteUint32(word, index | kRtcpEncryptedFlag);
    uint8_t* const end = packet + *length;
    uint8_t* const tag = cipher.word_before_tag() ? end + kRtcpWordLength : end;
    const SrtpUnit unit = {ReadUint32(packet + 4), index, packet, kRtcpHeaderLength, *length, word};
    if (!cipher.Seal(unit, tag)) {
      ERR_clear_error();
      return SrtpStatus::kCryptoFailure;
    }
    memcpy(cipher.word_before_tag() ? end : end + cipher.tag_length(), word, kRtcpWordLength);
    *length += cipher.tag_length() + kRtcpWordLength;
    return SrtpStatus::kOk;
  }

 private:
  Ciphers ciphers_;
  // `rtcp_index` is the next one, of all SSRCs together.
  SrtpStart start_;
  SsrcTable<RtpWindow> windows_;
};

class Receiver final : public SrtpReceiver {
 public:
  Receiver(Ciphers ciphers, size_t max_ssrcs) : ciphers_(std::move(ciphers)), max_ssrcs_(max_ssrcs) {}

  SrtpStatus UnprotectRtp(uint8_t* packet, size_t* length, uint64_t* extended_sequence) override {
    SrtpCipher& cipher = *ciphers_.rtp;
    if (*length < kRtpHeaderLength + cipher.tag_length()) return SrtpStatus::kMalformed;
    const size_t clear_length = *length - cipher.tag_length();
    const size_t header_length = ParseRtpHeaderLength(packet, clear_length);
    if (header_length == 0) return SrtpStatus::kMalformed;
    const uint32_t ssrc = ReadUint32(packet + 8);
    Windows* windows = windows_.Find(ssrc);
    if (windows == nullptr && windows_.size() >= max_ssrcs_) return SrtpStatus::kTooManySsrcs;
    uint64_t index = 0;
    const SrtpStatus placed = PlaceRtp(windows == nullptr ? nullptr : &windows->rtp, 0,
                                       static_cast<uint16_t>(packet[2] << 8 | packet[3]), &index);
    if (placed != SrtpStatus::kOk) return placed;
    uint8_t rollover[4];
    WriteUint32(rollover, static_cast<uint32_t>(index >> 16));
    const SrtpUnit unit = {ssrc, index, packet, header_length, clear_length, rollover};
    if (!cipher.Open(unit, packet + clear_length)) {
      ERR_clear_error();
      return SrtpStatus::kBadTag;
    }
    if (windows == nullptr) windows = windows_.Insert(ssrc);
    windows->rtp.Record(index);
    *length = clear_length;
    *extended_sequence = index;
    return SrtpStatus::kOk;
  }

  SrtpStatus UnprotectRtcp(uint8_t* packet, size_t* length) override {
    SrtpCipher& cipher = *ciphers_.rtcp;
    const size_t trailer_length = cipher.tag_length() + kRtcpWordLength;
    if (*length < kRtcpHeaderLength + trailer_length) return SrtpStatus::kMalformed;
    const size_t clear_length = *length - trailer_length;
    if (!IsRtcp(packet, clear_length)) return SrtpStatus::kMalformed;
    const uint8_t* const end = packet + clear_length;
    const uint8_t* const tag = cipher.word_before_tag() ? end + kRtcpWordLength : end;
    uint8_t word[kRtcpWordLength];
    memcpy(word, cipher.word_before_tag() ? end : end + cipher.tag_length(), kRtcpWordLength);
    const uint32_t flag_and_index = ReadUint32(word);
    // DTLS-SRTP always encrypts (RFC 5764 4.1.2), so a clear flag can only be forged.
    if ((flag_and_index & kRtcpEncryptedFlag) == 0) return SrtpStatus::kMalformed;
    const uint32_t index = flag_and_index & ~kRtcpEncryptedFlag;
    const uint32_t ssrc = ReadUint32(packet + 4);
    Windows* windows = windows_.Find(ssrc);
    if (windows == nullptr && windows_.size() >= max_ssrcs_) return SrtpStatus::kTooManySsrcs;
    if (windows != nullptr) {
      const SrtpStatus placed = StatusOf(windows->rtcp.Check(index));
      if (placed != SrtpStatus::kOk) return placed;
    }
    const SrtpUnit unit = {ssrc, index, packet, kRtcpHeaderLength, clear_length, word};
    if (!cipher.Open(unit, tag)) {
      ERR_clear_error();
      return SrtpStatus::kBadTag;
    }
    if (windows == nullptr) windows = windows_.Insert(ssrc);
    windows->rtcp.Record(index);
    *length = clear_length;
    return SrtpStatus::kOk;
  }

 private:
  struct Windows {
    RtpWindow rtp;
    RtcpWindow rtcp;
  };

  Ciphers ciphers_;
  const size_t max_ssrcs_;
  SsrcTable<Windows> windows_;
};

}  // namespace

std::unique_ptr<SrtpSender> SrtpSender::Create(const SrtpKeyMaterial& material, const SrtpStart& start) {
  Ciphers ciphers;
  if (!ciphers.Create(material, true)) {
    ERR_clear_error();
    return nullptr;
  }
  return std::make_unique<Sender>(std::move(ciphers), start);
}

std::unique_ptr<SrtpReceiver> SrtpReceiver::Create(const SrtpKeyMaterial& material, size_t max_ssrcs) {
  Ciphers ciphers;
  if (!ciphers.Create(material, false)) {
    ERR_clear_error();
    return nullptr;
  }
  return std::make_unique<Receiver>(std::move(ciphers), max_ssrcs);
}

}  // namespace conclave
