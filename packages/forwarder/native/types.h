// Ids, addresses and option records shared by the parts of the flow table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace conclave {

using PeerId = uint32_t;
using IngressId = uint32_t;
using EgressId = uint32_t;
using GroupId = uint32_t;
using SocketId = uint64_t;

// Largest datagram taken in. Nothing on the Internet's paths is longer; a lower value would cut off jumbo frames.
constexpr size_t kMaxDatagram = 2048;
// Room a rewritten packet may need: a CSRC, an extension block of four elements, RTX's two bytes, and the SRTP trailer.
constexpr size_t kMaxOutgoing = kMaxDatagram + 128;

// A remote IP address and port.
struct NetAddress {
  uint8_t family = 4;  // 4 or 6
  uint8_t bytes[16] = {};
  uint16_t port = 0;

  bool operator==(const NetAddress& other) const {
    return family == other.family && port == other.port && std::memcmp(bytes, other.bytes, sizeof bytes) == 0;
  }
};

// Our socket and the remote address.
struct PathKey {
  SocketId socket = 0;
  NetAddress remote;

  bool operator==(const PathKey& other) const { return socket == other.socket && remote == other.remote; }
};

struct PathHash {
  size_t operator()(const PathKey& path) const {
    uint64_t a, b;
    std::memcpy(&a, path.remote.bytes, 8);
    std::memcpy(&b, path.remote.bytes + 8, 8);
    uint64_t h = path.socket * 0x9e3779b97f4a7c15ull ^ (uint64_t{path.remote.port} << 32 | path.remote.family);
    h = (h ^ a) * 0xff51afd7ed558ccdull;
    h = (h ^ (h >> 32) ^ b) * 0xc4ceb9fe1a85ec53ull;
    return static_cast<size_t>(h ^ (h >> 29));
  }
};

enum class MediaKind : uint8_t { kAudio = 0, kVideo = 1 };

// Meanings of header extensions, in the order in which they are written.
enum Extension : uint8_t {
  kAudioLevel = 0,
  kAbsSendTime,
  kGenericFrameDescriptor,
  kDependencyDescriptor,
  kTransportSequence,
  kRid,
  kRepairedRid,
  kMid,
  kExtensionCount,
};
constexpr size_t kForwardedExtensions = 4;

// Negotiated id of each meaning; 0 if not negotiated.
struct ExtensionIds {
  uint8_t id[kExtensionCount] = {};
};

struct PeerOptions {
  uint32_t feedback_ssrc = 0;
  std::string cname;
  ExtensionIds extensions;
  bool transport_feedback = false;
  // 0: the plane's own bound.
  size_t max_ssrcs = 0;
};

struct IngressOptions {
  PeerId peer = 0;
  MediaKind kind = MediaKind::kAudio;
  bool has_ssrc = false;
  bool has_rtx_ssrc = false;
  bool has_rtx_payload_type = false;
  bool nack = false;
  uint8_t payload_type = 0;
  uint8_t rtx_payload_type = 0;
  uint32_t ssrc = 0;
  uint32_t rtx_ssrc = 0;
  uint32_t clock_rate = 90000;
  uint32_t csrc = 0;
  std::string rid;
};

struct EgressOptions {
  PeerId peer = 0;
  MediaKind kind = MediaKind::kAudio;
  bool has_rtx = false;
  uint8_t payload_type = 0;
  uint8_t rtx_payload_type = 0;
  uint16_t initial_sequence = 0;
  uint16_t initial_rtx_sequence = 0;
  uint32_t ssrc = 0;
  uint32_t rtx_ssrc = 0;
  uint32_t clock_rate = 90000;
  uint32_t initial_timestamp = 0;
  ExtensionIds extensions;
};

// Parameters of a flow table.
struct TableOptions {
  int64_t transport_feedback_interval_us = 100'000;
  int64_t report_interval_us = 1'000'000;
  uint8_t onset_level = 60;
  size_t max_ssrcs_per_peer = 32;
  // STUN messages a second of one address without a validated path.
  uint32_t stun_per_second = 1000;
  // Secret of the limit's table.
  uint64_t seed = 0;
  // What is added to the table's clock to have the NTP time of our reports: seconds since 1900, once told.
  int64_t ntp_epoch_us = 0;
};

inline uint16_t ReadU16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
inline uint32_t ReadU24(const uint8_t* p) { return uint32_t{p[0]} << 16 | uint32_t{p[1]} << 8 | p[2]; }
inline uint32_t ReadU32(const uint8_t* p) { return uint32_t{p[0]} << 24 | ReadU24(p + 1); }
inline void WriteU16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}
inline void WriteU24(uint8_t* p, uint32_t v) {
  p[0] = static_cast<uint8_t>(v >> 16);
  WriteU16(p + 1, static_cast<uint16_t>(v));
}
inline void WriteU32(uint8_t* p, uint32_t v) {
  p[0] = static_cast<uint8_t>(v >> 24);
  WriteU24(p + 1, v);
}

// Floor of a * b / c for the signed products of durations and clock rates; c > 0.
inline int64_t ScaleFloor(int64_t a, int64_t b, int64_t c) {
  const __int128 product = static_cast<__int128>(a) * b;
  __int128 q = product / c;
  if (product % c < 0) --q;
  return static_cast<int64_t>(q);
}

}  // namespace conclave
