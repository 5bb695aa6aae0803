// Session keys of SRTP and SRTCP, derived from master key and salt (RFC 3711 4.3, RFC 6188 for 256 bits).
#pragma once

#include <cstddef>
#include <cstdint>

#include "srtp.h"

namespace conclave {

constexpr size_t kSrtpMaxKeyLength = 32;
constexpr size_t kSrtpMaxSaltLength = 14;
constexpr size_t kSrtpAuthKeyLength = 20;

// What a key is for: the labels of RFC 3711 4.3.1 start here, cipher key first, then authentication key, then salt.
enum class SrtpStreamKind : uint8_t { kRtp = 0x00, kRtcp = 0x03 };

// Keys of one kind of stream. Wiped when it goes out of scope.
struct SrtpSessionKeys {
  uint8_t key[kSrtpMaxKeyLength] = {};
  uint8_t auth_key[kSrtpAuthKeyLength] = {};
  uint8_t salt[kSrtpMaxSaltLength] = {};

  SrtpSessionKeys() = default;
  SrtpSessionKeys(const SrtpSessionKeys&) = delete;
  SrtpSessionKeys& operator=(const SrtpSessionKeys&) = delete;
  ~SrtpSessionKeys();
};

// False when the lengths do not fit the profile or OpenSSL fails. The key derivation rate is zero, as DTLS-SRTP has it.
bool DeriveSrtpSessionKeys(const SrtpKeyMaterial& material, SrtpStreamKind kind, SrtpSessionKeys* out);

}  // namespace conclave
