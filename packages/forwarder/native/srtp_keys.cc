#include "srtp_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstring>

namespace conclave {
namespace {

struct CipherContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// The pseudo-random function of RFC 3711 4.3.3: AES counter mode over zeros, from (salt XOR label) * 2^16.
bool Derive(const SrtpKeyMaterial& material, uint8_t label, uint8_t* out, size_t length) {
  uint8_t counter[16] = {};
  // A 96-bit salt stands at the most significant end of the 112 bits, as every implementation has it.
  memcpy(counter, material.salt, material.salt_length);
  counter[7] ^= label;
  std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter> context(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* cipher = material.key_length == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
  if (context == nullptr || EVP_EncryptInit_ex(context.get(), cipher, nullptr, material.key, counter) != 1) return false;
  memset(out, 0, length);
  int written = 0;
  return EVP_EncryptUpdate(context.get(), out, &written, out, static_cast<int>(length)) == 1;
}

}  // namespace

SrtpSessionKeys::~SrtpSessionKeys() { OPENSSL_cleanse(this, sizeof(*this)); }

size_t SrtpKeyLength(SrtpProfile profile) {
  switch (profile) {
    case SrtpProfile::kAes128CmSha1_80:
    case SrtpProfile::kAeadAes128Gcm:
      return 16;
    case SrtpProfile::kAeadAes256Gcm:
      return 32;
  }
  return 0;
}

size_t SrtpSaltLength(SrtpProfile profile) {
  switch (profile) {
    case SrtpProfile::kAes128CmSha1_80:
      return 14;
    case SrtpProfile::kAeadAes128Gcm:
    case SrtpProfile::kAeadAes256Gcm:
      return 12;
  }
  return 0;
}

bool DeriveSrtpSessionKeys(const SrtpKeyMaterial& material, SrtpStreamKind kind, SrtpSessionKeys* out) {
  const size_t key_length = SrtpKeyLength(material.profile);
  const size_t salt_length = SrtpSaltLength(material.profile);
  if (key_length == 0 || material.key_length != key_length || material.salt_length != salt_length) return false;
  if (material.is_session_key) {
    memcpy(out->key, material.key, key_length);
    memcpy(out->salt, material.salt, salt_length);
    return true;
  }
  const uint8_t label = static_cast<uint8_t>(kind);
  return Derive(material, label, out->key, key_length) &&
         Derive(material, label + 1, out->auth_key, kSrtpAuthKeyLength) &&
         Derive(material, label + 2, out->salt, salt_length);
}

}  // namespace conclave
