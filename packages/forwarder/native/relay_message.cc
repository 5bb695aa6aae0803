#include "relay_message.h"

#include <array>

namespace conclave {
namespace {

constexpr uint8_t kCookie[4] = {0x21, 0x12, 0xa4, 0x42};
constexpr uint32_t kFingerprintXor = 0x5354554e;
// As packages/stun: a single datagram must not make much work.
constexpr int kMaxAttributes = 64;

constexpr uint16_t kMessageIntegrity = 0x0008;
constexpr uint16_t kXorPeerAddress = 0x0012;
constexpr uint16_t kData = 0x0013;
constexpr uint16_t kDontFragment = 0x001a;
constexpr uint16_t kMessageIntegritySha256 = 0x001c;
constexpr uint16_t kFingerprint = 0x8028;
constexpr uint16_t kDataIndication = 0x0017;

// Attributes that a TURN server understands (RFC 8489 18.3, RFC 8656 18, RFC 6062 6.2): those below 64, as bits.
constexpr uint64_t Bit(int type) { return uint64_t{1} << type; }
constexpr uint64_t kKnownAttributes = Bit(0x01) | Bit(0x06) | Bit(0x09) | Bit(0x0a) | Bit(0x0c) | Bit(0x0d) | Bit(0x12) |
                                      Bit(0x13) | Bit(0x14) | Bit(0x15) | Bit(0x16) | Bit(0x17) | Bit(0x18) | Bit(0x19) |
                                      Bit(0x1a) | Bit(0x1d) | Bit(0x1e) | Bit(0x20) | Bit(0x22) | Bit(0x2a);

bool MustBeKnown(uint16_t type) { return type < 0x8000 && (type >= 64 || (kKnownAttributes & Bit(type)) == 0); }

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) ? 0xedb88320u ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = MakeCrcTable();

uint32_t Crc32(const uint8_t* data, size_t length) {
  uint32_t c = 0xffffffffu;
  for (size_t i = 0; i < length; ++i) c = kCrcTable[(c ^ data[i]) & 0xff] ^ (c >> 8);
  return c ^ 0xffffffffu;
}

// The mask of an XOR address: the cookie, then the transaction id.
bool ReadXorAddress(const uint8_t* message, const uint8_t* value, size_t length, NetAddress* out) {
  if (length < 4) return false;
  const size_t size = value[1] == 1 ? 4 : value[1] == 2 ? 16 : 0;
  if (size == 0 || length != 4 + size) return false;
  out->family = size == 4 ? 4 : 6;
  out->port = static_cast<uint16_t>(ReadU16(value + 2) ^ ReadU16(kCookie));
  std::memset(out->bytes, 0, sizeof out->bytes);
  // Both bounds, for the compiler does not see that the second keeps the first.
  for (size_t i = 0; i < sizeof out->bytes && i < size; ++i) out->bytes[i] = value[4 + i] ^ message[4 + i];
  return true;
}

}  // namespace

bool IsWholeStun(const uint8_t* data, size_t length) {
  return length >= kStunHeaderBytes && LooksLikeStun(data[0]) && std::memcmp(data + 4, kCookie, 4) == 0 &&
         (data[3] & 3) == 0 && ReadU16(data + 2) == length - kStunHeaderBytes;
}

bool ParseChannelData(const uint8_t* bytes, size_t length, ChannelData* out) {
  if (length < kChannelHeaderBytes) return false;
  out->channel = ReadU16(bytes);
  out->length = ReadU16(bytes + 2);
  out->data = bytes + kChannelHeaderBytes;
  return length >= kChannelHeaderBytes + out->length && length <= kChannelHeaderBytes + ((out->length + 3) & ~size_t{3});
}

bool ParseSendIndication(const uint8_t* bytes, size_t length, SendIndication* out) {
  *out = {};
  bool integrity = false;
  bool integrity_sha256 = false;
  int count = 0;
  size_t next = 0;
  for (size_t at = kStunHeaderBytes; at < length; at = next) {
    if (++count > kMaxAttributes) return false;
    const uint16_t type = ReadU16(bytes + at);
    const size_t size = ReadU16(bytes + at + 2);
    const uint8_t* const value = bytes + at + 4;
    next = at + 4 + ((size + 3) & ~size_t{3});
    if (next > length) return false;
    if (type == kFingerprint) {
      if (next != length || size != 4) return false;
      if (ReadU32(value) != (Crc32(bytes, at) ^ kFingerprintXor)) return false;
    } else if (integrity_sha256) {
      continue;
    } else if (type == kMessageIntegritySha256) {
      if (size < 16 || size > 32 || size % 4 != 0) return false;
      integrity_sha256 = true;
    } else if (integrity) {
      continue;
    } else if (type == kMessageIntegrity) {
      if (size != 20) return false;
      integrity = true;
    } else if (type == kXorPeerAddress) {
      if (out->has_peer) continue;
      if (!ReadXorAddress(bytes, value, size, &out->peer)) return false;
      out->has_peer = true;
    } else if (type == kData) {
      if (out->has_data) continue;
      out->has_data = true;
      out->data = value;
      out->length = size;
    } else if (type == kDontFragment) {
      out->dont_fragment = true;
    } else if (MustBeKnown(type)) {
      out->unknown_attribute = true;
    }
  }
  return true;
}

size_t FrameChannelData(uint8_t* out, uint16_t channel, size_t length, bool padded) {
  WriteU16(out, channel);
  WriteU16(out + 2, static_cast<uint16_t>(length));
  size_t size = kChannelHeaderBytes + length;
  if (padded) {
    while (size % 4 != 0) out[size++] = 0;
  }
  return size;
}

size_t WriteDataIndication(uint8_t* out, uint32_t seed, uint64_t count, const NetAddress& peer, const uint8_t* data,
                           size_t length) {
  const size_t address_bytes = peer.family == 6 ? 16 : 4;
  WriteU16(out, kDataIndication);
  std::memcpy(out + 4, kCookie, 4);
  WriteU32(out + 8, seed);
  WriteU32(out + 12, static_cast<uint32_t>(count >> 32));
  WriteU32(out + 16, static_cast<uint32_t>(count));
  uint8_t* p = out + kStunHeaderBytes;
  WriteU16(p, kXorPeerAddress);
  WriteU16(p + 2, static_cast<uint16_t>(4 + address_bytes));
  p[4] = 0;
  p[5] = peer.family == 6 ? 2 : 1;
  WriteU16(p + 6, static_cast<uint16_t>(peer.port ^ ReadU16(kCookie)));
  for (size_t i = 0; i < address_bytes; ++i) p[8 + i] = peer.bytes[i] ^ out[4 + i];
  p += 8 + address_bytes;
  WriteU16(p, kData);
  WriteU16(p + 2, static_cast<uint16_t>(length));
  p += 4;
  if (length > 0) std::memcpy(p, data, length);
  p += length;
  while ((p - out) % 4 != 0) *p++ = 0;
  const size_t size = static_cast<size_t>(p - out);
  WriteU16(out + 2, static_cast<uint16_t>(size - kStunHeaderBytes));
  return size;
}

FrameKind NextFrame(const uint8_t* data, size_t available, size_t* size, size_t* padded) {
  if (available == 0) return FrameKind::kNone;
  const bool is_stun = LooksLikeStun(data[0]);
  if (is_stun) {
    // As early as it can be seen, so that a foreign protocol does not wait for 64 KiB to be refused.
    for (size_t i = 4; i < 8 && i < available; ++i) {
      if (data[i] != kCookie[i - 4]) return FrameKind::kBad;
    }
  } else if (!LooksLikeChannelData(data[0])) {
    return FrameKind::kBad;
  }
  // Eight bytes of STUN, so that nothing is passed by before its cookie was seen.
  if (available < (is_stun ? 8u : 4u)) return FrameKind::kNone;
  const size_t length = ReadU16(data + 2);
  if (is_stun && length % 4 != 0) return FrameKind::kBad;
  *size = (is_stun ? kStunHeaderBytes : kChannelHeaderBytes) + length;
  *padded = (*size + 3) & ~size_t{3};
  return FrameKind::kMessage;
}

}  // namespace conclave
