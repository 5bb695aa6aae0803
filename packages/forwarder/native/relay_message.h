// The messages of TURN that carry data: ChannelData, Send and Data indications (RFC 8656), and how messages are cut out
// of a stream. Nothing here keeps state.
#pragma once

#include <cstddef>
#include <cstdint>

#include "types.h"

namespace conclave {

constexpr size_t kStunHeaderBytes = 20;
constexpr size_t kChannelHeaderBytes = 4;
// Header, XOR-PEER-ADDRESS of IPv6, DATA's header and padding.
constexpr size_t kMaxIndicationOverhead = kStunHeaderBytes + 24 + 4 + 3;

// What a datagram's first byte says it is.
inline bool LooksLikeChannelData(uint8_t first) { return (first & 0xc0) == 0x40; }
inline bool LooksLikeStun(uint8_t first) { return (first & 0xc0) == 0; }

// Whether the bytes are one whole STUN message as far as header and length tell.
bool IsWholeStun(const uint8_t* data, size_t length);
inline uint16_t StunType(const uint8_t* data) { return ReadU16(data); }
constexpr uint16_t kSendIndication = 0x0016;
constexpr uint16_t kConnectionBindRequest = 0x000b;
constexpr uint16_t kConnectionBindError = 0x011b;

struct ChannelData {
  uint16_t channel = 0;
  const uint8_t* data = nullptr;
  size_t length = 0;
};
// False unless it fills the bytes, up to three bytes of padding aside.
bool ParseChannelData(const uint8_t* bytes, size_t length, ChannelData* out);

struct SendIndication {
  bool has_peer = false;
  bool has_data = false;
  bool dont_fragment = false;
  bool unknown_attribute = false;
  NetAddress peer;
  const uint8_t* data = nullptr;
  size_t length = 0;
};
// Reads a message that IsWholeStun took. False when it is malformed: attributes that exceed it, more than 64 of them, an
// integrity attribute of impossible length, a wrong FINGERPRINT or one that is not the last, a malformed address.
bool ParseSendIndication(const uint8_t* bytes, size_t length, SendIndication* out);

// Writes the header and, for streams, the padding around `length` bytes at `out + kChannelHeaderBytes`. Returns the size.
size_t FrameChannelData(uint8_t* out, uint16_t channel, size_t length, bool padded);

// Writes a Data indication. `out` has room for kMaxIndicationOverhead + length bytes. Returns the size.
size_t WriteDataIndication(uint8_t* out, uint32_t seed, uint64_t count, const NetAddress& peer, const uint8_t* data,
                           size_t length);

enum class FrameKind : uint8_t { kNone, kMessage, kBad };
// Looks at the beginning of a stream (RFC 8656 12.5): `*size` is the message without padding, `*padded` with it; both may
// exceed `available`. kNone while they cannot be told; kBad when it is neither STUN nor ChannelData.
FrameKind NextFrame(const uint8_t* data, size_t available, size_t* size, size_t* padded);

}  // namespace conclave
