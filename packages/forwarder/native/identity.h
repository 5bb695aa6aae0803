// A DTLS identity: key and self-signed certificate, and the OpenSSL contexts made with them.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "srtp.h"

namespace conclave {

enum class DtlsRole : uint8_t { kServer, kClient };

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDeleter>;

// SHA-256 of the certificate as upper-case pairs joined by colons (RFC 8122 5); empty when OpenSSL fails.
std::string CertificateFingerprint(const X509* certificate);

class Identity {
 public:
  // ECDSA on P-256, common name "conclave", random serial number, valid from yesterday for a month. Null when OpenSSL
  // fails.
  static std::unique_ptr<Identity> Generate();
  // A certificate with its intermediates, its key and the authorities whose certificates peers must show, all PEM. Null
  // when one cannot be read, nothing is in it, or the key is not the certificate's; `problem` then says which.
  static std::unique_ptr<Identity> Load(const std::string& certificate_pem, const std::string& key_pem,
                                        const std::string& authority_pem, std::string* problem);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  // Whether peers have to show a certificate of a known authority, rather than any.
  bool verifies_peers() const { return authorities_ != nullptr; }
  const std::string& fingerprint() const { return fingerprint_; }
  const std::vector<uint8_t>& certificate_der() const { return certificate_der_; }

  // The one context of all sessions with this role and list of profiles, most wanted first; the caller owns a
  // reference. The profiles are distinct. Null when OpenSSL fails.
  SslContext ContextFor(DtlsRole role, const std::vector<SrtpProfile>& profiles);

 private:
  struct CachedContext {
    DtlsRole role;
    std::vector<SrtpProfile> profiles;
    SslContext context;
  };

  Identity(EVP_PKEY* key, X509* certificate) : key_(key), certificate_(certificate) {}
  bool Finish();

  EVP_PKEY* const key_;
  X509* const certificate_;
  // Both null for a generated identity, whose peers are known by their fingerprints.
  STACK_OF(X509) * intermediates_ = nullptr;
  X509_STORE* authorities_ = nullptr;
  std::string fingerprint_;
  std::vector<uint8_t> certificate_der_;
  // At most one for each role and ordered choice of three profiles.
  std::vector<CachedContext> contexts_;
};

}  // namespace conclave
