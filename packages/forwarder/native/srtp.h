// SRTP and SRTCP protection (RFC 3711, RFC 7714) of one direction of one peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace conclave {

enum class SrtpProfile : uint16_t {
  kAes128CmSha1_80 = 0x0001,
  kAeadAes128Gcm = 0x0007,
  kAeadAes256Gcm = 0x0008,
};

enum class SrtpStatus : uint8_t {
  kOk = 0,
  kMalformed,      // too short, lengths that lie, SRTCP said not to be encrypted, buffer too small
  kBadTag,         // authentication failed
  kReplayed,       // index seen, or sent, before
  kTooOld,         // index below the replay window
  kTooManySsrcs,   // more distinct SSRCs than the bound
  kIndexExhausted, // the key may not be used any longer
  kCryptoFailure,  // OpenSSL refused
};

// Bytes that protection may add at the end of an RTP or RTCP packet.
constexpr size_t kSrtpMaxTrailer = 16 + 4;

struct SrtpKeyMaterial {
  SrtpProfile profile;
  const uint8_t* key;
  size_t key_length;
  const uint8_t* salt;
  size_t salt_length;
  // Key and salt are those of the packets already, of SRTP and SRTCP alike, with an authentication key of zeros. Only
  // for test vectors, which are stated so.
  bool is_session_key = false;
};

// Where a sender starts: zeros, but in tests of what happens at the end.
struct SrtpStart {
  uint32_t rollover_counter = 0;
  uint32_t rtcp_index = 0;
};

size_t SrtpKeyLength(SrtpProfile profile);
size_t SrtpSaltLength(SrtpProfile profile);

// Sender side. Keeps the rollover counter of each SSRC and the SRTCP index. Not thread-safe.
//
// No index is ever used twice: a second packet under the same nonce would give away the keystream of both, and with
// GCM the authentication key. So a sequence number that was sent before is refused (kReplayed), and so is one too far
// back to know (kTooOld). An SSRC is remembered for the sender's life: a slot that comes back with the SSRC of an
// earlier one must go on with its sequence. Sequences should start below 2^15, or a receiver that misses the packets
// before the first wrap guesses the rollover counter wrong.
class SrtpSender {
 public:
  // Null when the material does not fit the profile or OpenSSL refuses it.
  static std::unique_ptr<SrtpSender> Create(const SrtpKeyMaterial& material, const SrtpStart& start = {});
  virtual ~SrtpSender() = default;
  // In place. `*length` grows; `capacity` must leave kSrtpMaxTrailer. A sequence number more than half a circle ahead
  // of the last counts as before it (RFC 3711 3.3.1 guess), so that late packets get the index that is theirs.
  virtual SrtpStatus ProtectRtp(uint8_t* packet, size_t* length, size_t capacity) = 0;
  virtual SrtpStatus ProtectRtcp(uint8_t* packet, size_t* length, size_t capacity) = 0;
};

// Receiver side. Keeps rollover counter and a replay window (at least 128) of each SSRC. State changes only after the
// tag was verified. Not thread-safe.
class SrtpReceiver {
 public:
  static std::unique_ptr<SrtpReceiver> Create(const SrtpKeyMaterial& material, size_t max_ssrcs);
  virtual ~SrtpReceiver() = default;
  // In place. On kOk `*length` is the length without tag. On failure the contents are undefined. On success
  // `*extended_sequence` is ROC << 16 | SEQ.
  virtual SrtpStatus UnprotectRtp(uint8_t* packet, size_t* length, uint64_t* extended_sequence) = 0;
  virtual SrtpStatus UnprotectRtcp(uint8_t* packet, size_t* length) = 0;
};

}  // namespace conclave
