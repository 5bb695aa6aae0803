#include "srtp_cipher.h"

// The low-level SHA-1 calls are the only ones whose keyed state can be copied without an allocation per packet.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstring>

namespace conclave {
namespace {

struct CipherContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter>;

constexpr size_t kGcmTagLength = 16;
constexpr size_t kGcmNonceLength = 12;
constexpr size_t kSha1_80TagLength = 10;
constexpr size_t kSuffixLength = 4;
constexpr size_t kSha1BlockLength = 64;

// XORs SSRC and 48-bit index into a nonce; the SSRC starts at `offset`, the index follows it.
void MixNonce(uint8_t* nonce, size_t offset, uint32_t ssrc, uint64_t index) {
  for (size_t i = 0; i < 4; i++) nonce[offset + i] ^= static_cast<uint8_t>(ssrc >> (24 - 8 * i));
  for (size_t i = 0; i < 6; i++) nonce[offset + 4 + i] ^= static_cast<uint8_t>(index >> (40 - 8 * i));
}

// RFC 7714 8.1 and 9.1: two zero bytes, SSRC, index; XOR salt.
class GcmCipher final : public SrtpCipher {
 public:
  GcmCipher(CipherContext context, const uint8_t* salt, SrtpStreamKind kind)
      : context_(std::move(context)), suffix_is_aad_(kind == SrtpStreamKind::kRtcp) {
    memcpy(salt_, salt, kGcmNonceLength);
  }
  ~GcmCipher() override { OPENSSL_cleanse(salt_, sizeof(salt_)); }

  size_t tag_length() const override { return kGcmTagLength; }
  bool word_before_tag() const override { return false; }

  bool Seal(const SrtpUnit& unit, uint8_t* tag) override {
    uint8_t nonce[kGcmNonceLength];
    MakeNonce(unit, nonce);
    int written = 0;
    EVP_CIPHER_CTX* context = context_.get();
    if (EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) != 1) return false;
    if (EVP_EncryptUpdate(context, nullptr, &written, unit.packet, static_cast<int>(unit.header_length)) != 1) {
      return false;
    }
    if (suffix_is_aad_ && EVP_EncryptUpdate(context, nullptr, &written, unit.suffix, kSuffixLength) != 1) return false;
    uint8_t* payload = unit.packet + unit.header_length;
    const int payload_length = static_cast<int>(unit.length - unit.header_length);
    if (payload_length > 0 && EVP_EncryptUpdate(context, payload, &written, payload, payload_length) != 1) return false;
    return EVP_EncryptFinal_ex(context, payload + payload_length, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kGcmTagLength, tag) == 1;
  }

  bool Open(const SrtpUnit& unit, const uint8_t* tag) override {
    uint8_t nonce[kGcmNonceLength];
    MakeNonce(unit, nonce);
    int written = 0;
    EVP_CIPHER_CTX* context = context_.get();
    if (EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce) != 1) return false;
    if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kGcmTagLength, const_cast<uint8_t*>(tag)) != 1) return false;
    if (EVP_DecryptUpdate(context, nullptr, &written, unit.packet, static_cast<int>(unit.header_length)) != 1) {
      return false;
    }
    if (suffix_is_aad_ && EVP_DecryptUpdate(context, nullptr, &written, unit.suffix, kSuffixLength) != 1) return false;
    uint8_t* payload = unit.packet + unit.header_length;
    const int payload_length = static_cast<int>(unit.length - unit.header_length);
    if (payload_length > 0 && EVP_DecryptUpdate(context, payload, &written, payload, payload_length) != 1) return false;
    // OpenSSL compares the tag in constant time.
    return EVP_DecryptFinal_ex(context, payload + payload_length, &written) == 1;
  }

 private:
  void MakeNonce(const SrtpUnit& unit, uint8_t* nonce) const {
    memcpy(nonce, salt_, kGcmNonceLength);
    MixNonce(nonce, 2, unit.ssrc, unit.index);
  }

  CipherContext context_;
  uint8_t salt_[kGcmNonceLength];
  const bool suffix_is_aad_;
};

// HMAC-SHA1 (RFC 2104) with both padded keys hashed once.
class HmacSha1 {
 public:
  explicit HmacSha1(const uint8_t* key) {
    uint8_t block[kSha1BlockLength] = {};
    memcpy(block, key, kSrtpAuthKeyLength);
    for (uint8_t& byte : block) byte ^= 0x36;
    SHA1_Init(&inner_);
    SHA1_Update(&inner_, block, sizeof(block));
    for (uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
    SHA1_Init(&outer_);
    SHA1_Update(&outer_, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
  }
  ~HmacSha1() {
    OPENSSL_cleanse(&inner_, sizeof(inner_));
    OPENSSL_cleanse(&outer_, sizeof(outer_));
  }

  void Compute(const uint8_t* data, size_t length, const uint8_t* suffix, uint8_t* out) const {
    SHA_CTX state = inner_;
    SHA1_Update(&state, data, length);
    SHA1_Update(&state, suffix, kSuffixLength);
    SHA1_Final(out, &state);
    state = outer_;
    SHA1_Update(&state, out, SHA_DIGEST_LENGTH);
    SHA1_Final(out, &state);
  }

 private:
  SHA_CTX inner_;
  SHA_CTX outer_;
};

// RFC 3711 4.1.1: IV = salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16; the low 16 bits count blocks.
class CounterModeCipher final : public SrtpCipher {
 public:
  CounterModeCipher(CipherContext context, const SrtpSessionKeys& keys)
      : context_(std::move(context)), hmac_(keys.auth_key) {
    memcpy(salt_, keys.salt, sizeof(salt_));
  }
  ~CounterModeCipher() override { OPENSSL_cleanse(salt_, sizeof(salt_)); }

  size_t tag_length() const override { return kSha1_80TagLength; }
  bool word_before_tag() const override { return true; }

  bool Seal(const SrtpUnit& unit, uint8_t* tag) override {
    if (!ApplyKeystream(unit)) return false;
    uint8_t digest[SHA_DIGEST_LENGTH];
    hmac_.Compute(unit.packet, unit.length, unit.suffix, digest);
    memcpy(tag, digest, kSha1_80TagLength);
    return true;
  }

  bool Open(const SrtpUnit& unit, const uint8_t* tag) override {
    uint8_t digest[SHA_DIGEST_LENGTH];
    hmac_.Compute(unit.packet, unit.length, unit.suffix, digest);
    return CRYPTO_memcmp(digest, tag, kSha1_80TagLength) == 0 && ApplyKeystream(unit);
  }

 private:
  bool ApplyKeystream(const SrtpUnit& unit) {
    uint8_t counter[16] = {};
    memcpy(counter, salt_, sizeof(salt_));
    MixNonce(counter, 4, unit.ssrc, unit.index);
    EVP_CIPHER_CTX* context = context_.get();
    if (EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, counter) != 1) return false;
    uint8_t* payload = unit.packet + unit.header_length;
    const int payload_length = static_cast<int>(unit.length - unit.header_length);
    int written = 0;
    return payload_length == 0 || EVP_EncryptUpdate(context, payload, &written, payload, payload_length) == 1;
  }

  CipherContext context_;
  HmacSha1 hmac_;
  uint8_t salt_[kSrtpMaxSaltLength];
};

}  // namespace

std::unique_ptr<SrtpCipher> SrtpCipher::Create(SrtpProfile profile, SrtpStreamKind kind, const SrtpSessionKeys& keys,
                                               bool seal) {
  CipherContext context(EVP_CIPHER_CTX_new());
  if (context == nullptr) return nullptr;
  if (profile == SrtpProfile::kAes128CmSha1_80) {
    if (EVP_EncryptInit_ex(context.get(), EVP_aes_128_ctr(), nullptr, keys.key, nullptr) != 1) return nullptr;
    return std::make_unique<CounterModeCipher>(std::move(context), keys);
  }
  const EVP_CIPHER* cipher = profile == SrtpProfile::kAeadAes256Gcm ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
  const int ready = seal ? EVP_EncryptInit_ex(context.get(), cipher, nullptr, keys.key, nullptr)
                         : EVP_DecryptInit_ex(context.get(), cipher, nullptr, keys.key, nullptr);
  if (ready != 1) return nullptr;
  return std::make_unique<GcmCipher>(std::move(context), keys.salt, kind);
}

}  // namespace conclave
