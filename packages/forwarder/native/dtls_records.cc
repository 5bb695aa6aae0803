#include "dtls_records.h"

namespace conclave {
namespace {

// Least length of a protected record (RFC 5288 3, RFC 7905 2): explicit nonce and tag of AES-GCM, tag of ChaCha20-Poly1305.
constexpr size_t kShortestGcmRecord = 8 + 16;
constexpr size_t kShortestChaChaRecord = 16;
constexpr size_t kRecordHeader = 13;

}  // namespace

size_t LengthOfWholeRecords(SSL* ssl, const uint8_t* bytes, size_t length) {
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl);
  const bool is_chacha = cipher != nullptr && SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305;
  const size_t shortest = is_chacha ? kShortestChaChaRecord : kShortestGcmRecord;
  size_t start = 0;
  while (length - start >= kRecordHeader) {
    const bool is_protected = (bytes[start + 3] | bytes[start + 4]) != 0;
    const size_t body = static_cast<size_t>(bytes[start + 11] << 8 | bytes[start + 12]);
    if (is_protected && body < shortest) return start;
    if (body > length - start - kRecordHeader) break;
    start += kRecordHeader + body;
  }
  return length;
}

}  // namespace conclave
