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
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

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

  EVP_PKEY* const key_;
  X509* const certificate_;
  std::string fingerprint_;
  std::vector<uint8_t> certificate_der_;
  // At most one for each role and ordered choice of three profiles.
  std::vector<CachedContext> contexts_;
};

}  // namespace conclave
