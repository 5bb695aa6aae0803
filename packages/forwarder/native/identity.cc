#include "identity.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace conclave {
namespace {

// A month is longer than any process should live with one key; yesterday allows for peers whose clock is slow.
constexpr long kNotBeforeSeconds = -24L * 3600;
constexpr long kNotAfterSeconds = 30L * 24 * 3600;
constexpr int kSerialBits = 127;

// Forward secret and authenticated encryption alone; the nonce of each is epoch and sequence number, never random.
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kGroups[] = "X25519:P-256";
constexpr char kSignatureAlgorithms[] =
    "ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA384:RSA+SHA384";
// 112 bits of strength: RSA certificates of at least 2048 bits, no SHA-1.
constexpr int kSecurityLevel = 2;
// Bounds what a peer can make us gather before it has proved anything. Certificates of browsers take some 300 bytes.
constexpr long kMaxCertificateBytes = 16 * 1024;

// Any certificate: who the peer must be was told by its fingerprint, which the session's owner compares. That the peer
// holds the key is checked by OpenSSL in any case.
int AcceptAnyCertificate(X509_STORE_CTX*, void*) { return 1; }

const char* ProfileName(SrtpProfile profile) {
  switch (profile) {
    case SrtpProfile::kAes128CmSha1_80:
      return "SRTP_AES128_CM_SHA1_80";
    case SrtpProfile::kAeadAes128Gcm:
      return "SRTP_AEAD_AES_128_GCM";
    case SrtpProfile::kAeadAes256Gcm:
      return "SRTP_AEAD_AES_256_GCM";
  }
  return "";
}

SslContext NewContext(DtlsRole role, const std::vector<SrtpProfile>& profiles, EVP_PKEY* key, X509* certificate,
                      STACK_OF(X509) * intermediates, X509_STORE* authorities) {
  SslContext context(SSL_CTX_new(role == DtlsRole::kServer ? DTLS_server_method() : DTLS_client_method()));
  SSL_CTX* const c = context.get();
  if (c == nullptr) return nullptr;
  SSL_CTX_set_security_level(c, kSecurityLevel);
  if (SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) != 1 || SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(c, kCiphers) != 1 || SSL_CTX_set1_groups_list(c, kGroups) != 1 ||
      SSL_CTX_set1_sigalgs_list(c, kSignatureAlgorithms) != 1 || SSL_CTX_use_certificate(c, certificate) != 1 ||
      SSL_CTX_use_PrivateKey(c, key) != 1) {
    return nullptr;
  }
  SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  if (intermediates != nullptr && SSL_CTX_set1_chain(c, intermediates) != 1) return nullptr;
  if (authorities == nullptr) {
    SSL_CTX_set_cert_verify_callback(c, AcceptAnyCertificate, nullptr);
  } else {
    SSL_CTX_set1_cert_store(c, authorities);
    // Both sides are servers, whichever of them began; their certificates are those of servers.
    if (SSL_CTX_set_purpose(c, X509_PURPOSE_SSL_SERVER) != 1) return nullptr;
  }
  SSL_CTX_set_max_cert_list(c, kMaxCertificateBytes);
  SSL_CTX_set_read_ahead(c, 1);
  if (!profiles.empty()) {
    std::string names;
    for (const SrtpProfile profile : profiles) {
      if (!names.empty()) names += ':';
      names += ProfileName(profile);
    }
    // Unlike its neighbours, this one returns 0 for success.
    if (SSL_CTX_set_tlsext_use_srtp(c, names.c_str()) != 0) return nullptr;
  }
  return context;
}

bool SetRandomSerial(X509* certificate) {
  BIGNUM* number = BN_new();
  const bool done = number != nullptr && BN_rand(number, kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return done;
}

bool FillCertificate(X509* certificate, EVP_PKEY* key) {
  X509_NAME* const name = X509_get_subject_name(certificate);
  const auto* const common_name = reinterpret_cast<const unsigned char*>("conclave");
  return X509_set_version(certificate, X509_VERSION_3) == 1 && SetRandomSerial(certificate) &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), kNotBeforeSeconds) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), kNotAfterSeconds) != nullptr &&
         X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0;
}

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

struct CertificatesDeleter {
  void operator()(STACK_OF(X509) * certificates) const { sk_X509_pop_free(certificates, X509_free); }
};
using Certificates = std::unique_ptr<STACK_OF(X509), CertificatesDeleter>;

// More than any chain or list of authorities of one federation.
constexpr int kMaxCertificates = 64;

Bio OpenText(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Never asks: nobody sits at the terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

// In their order; null when OpenSSL fails.
Certificates ReadCertificates(const std::string& pem) {
  const Bio text = OpenText(pem);
  Certificates certificates(sk_X509_new_null());
  if (text == nullptr || certificates == nullptr) return nullptr;
  while (sk_X509_num(certificates.get()) < kMaxCertificates) {
    X509* const certificate = PEM_read_bio_X509(text.get(), nullptr, NoPassphrase, nullptr);
    if (certificate == nullptr) break;
    if (sk_X509_push(certificates.get(), certificate) == 0) {
      X509_free(certificate);
      return nullptr;
    }
  }
  ERR_clear_error();
  return certificates;
}

}  // namespace

std::string CertificateFingerprint(const X509* certificate) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &length) != 1) return "";
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  text.reserve(length * 3);
  for (unsigned int i = 0; i < length; i++) {
    if (i > 0) text += ':';
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 0x0f];
  }
  return text;
}

std::unique_ptr<Identity> Identity::Generate() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  std::unique_ptr<Identity> identity(new Identity(key, certificate));
  if (key == nullptr || certificate == nullptr || !FillCertificate(certificate, key)) return nullptr;
  return identity->Finish() ? std::move(identity) : nullptr;
}

std::unique_ptr<Identity> Identity::Load(const std::string& certificate_pem, const std::string& key_pem,
                                         const std::string& authority_pem, std::string* problem) {
  ERR_clear_error();
  const Certificates chain = ReadCertificates(certificate_pem);
  const Certificates authorities = ReadCertificates(authority_pem);
  const Bio key_text = OpenText(key_pem);
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_text.get(), nullptr, NoPassphrase, nullptr);
  X509* const certificate = chain == nullptr ? nullptr : sk_X509_shift(chain.get());
  std::unique_ptr<Identity> identity(new Identity(key, certificate));
  if (certificate == nullptr) {
    *problem = "there is no certificate in the certificate file";
  } else if (key == nullptr) {
    *problem = "there is no private key, or a locked one, in the key file";
  } else if (X509_check_private_key(certificate, key) != 1) {
    *problem = "the private key is not that of the certificate";
  } else if (authorities == nullptr || sk_X509_num(authorities.get()) == 0) {
    *problem = "there is no certificate in the file of authorities";
  } else {
    identity->intermediates_ = X509_chain_up_ref(chain.get());
    identity->authorities_ = X509_STORE_new();
    bool done = identity->intermediates_ != nullptr && identity->authorities_ != nullptr;
    for (int i = 0; done && i < sk_X509_num(authorities.get()); i++) {
      done = X509_STORE_add_cert(identity->authorities_, sk_X509_value(authorities.get(), i)) == 1;
    }
    if (done && identity->Finish()) return identity;
    *problem = "OpenSSL cannot use these certificates";
  }
  ERR_clear_error();
  return nullptr;
}

bool Identity::Finish() {
  fingerprint_ = CertificateFingerprint(certificate_);
  const int length = i2d_X509(certificate_, nullptr);
  if (fingerprint_.empty() || length <= 0) return false;
  certificate_der_.resize(static_cast<size_t>(length));
  unsigned char* at = certificate_der_.data();
  return i2d_X509(certificate_, &at) == length;
}

Identity::~Identity() {
  sk_X509_pop_free(intermediates_, X509_free);
  X509_STORE_free(authorities_);
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

SslContext Identity::ContextFor(DtlsRole role, const std::vector<SrtpProfile>& profiles) {
  for (const CachedContext& cached : contexts_) {
    if (cached.role != role || cached.profiles != profiles) continue;
    SSL_CTX_up_ref(cached.context.get());
    return SslContext(cached.context.get());
  }
  SslContext context = NewContext(role, profiles, key_, certificate_, intermediates_, authorities_);
  if (context == nullptr) return nullptr;
  SSL_CTX_up_ref(context.get());
  contexts_.push_back({role, profiles, SslContext(context.get())});
  return context;
}

}  // namespace conclave
