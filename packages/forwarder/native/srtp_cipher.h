// Encryption and authentication of one packet at a known index: AES-GCM (RFC 7714) or AES counter mode with
// HMAC-SHA1 (RFC 3711 4.1.1, 4.2.1), for SRTP and SRTCP alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "srtp_keys.h"

namespace conclave {

// One packet as the cipher sees it. `index` is ROC << 16 | SEQ for SRTP and the 31-bit index for SRTCP; both nonces
// are made of it in the same way. `suffix` is what is authenticated beyond the packet's own bytes: the ROC for SRTP
// (counter mode only; the nonce carries it in GCM), the word of E flag and index for SRTCP.
struct SrtpUnit {
  uint32_t ssrc;
  uint64_t index;
  uint8_t* packet;
  size_t header_length;
  // Header and payload, without tag and SRTCP word.
  size_t length;
  const uint8_t* suffix;
};

class SrtpCipher {
 public:
  // For one direction: `seal` decides which of the two operations below may be used. Null when OpenSSL refuses.
  static std::unique_ptr<SrtpCipher> Create(SrtpProfile profile, SrtpStreamKind kind, const SrtpSessionKeys& keys,
                                            bool seal);
  virtual ~SrtpCipher() = default;

  virtual size_t tag_length() const = 0;
  // Whether the SRTCP word comes before the tag (counter mode) or after it (GCM).
  virtual bool word_before_tag() const = 0;
  // Encrypts the payload in place and writes the tag. False only when OpenSSL fails.
  virtual bool Seal(const SrtpUnit& unit, uint8_t* tag) = 0;
  // Decrypts the payload in place. False when the tag is wrong; the payload is undefined then.
  virtual bool Open(const SrtpUnit& unit, const uint8_t* tag) = 0;
};

}  // namespace conclave
