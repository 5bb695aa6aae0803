#include "tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace conclave {
namespace {

// A longer chain than anybody has; a bound for what one file can make us hold.
constexpr int kMaxChain = 16;

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPointer = std::unique_ptr<BIO, BioDeleter>;

// Encrypted keys are not for servers that start by themselves: without this OpenSSL would ask at the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

bool UseChain(SSL_CTX* context, const std::string& pem) {
  const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio == nullptr) return false;
  for (int i = 0; i < kMaxChain; ++i) {
    X509* const certificate = PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr);
    if (certificate == nullptr) return i > 0;
    const bool used = i == 0 ? SSL_CTX_use_certificate(context, certificate) == 1
                             : SSL_CTX_add1_chain_cert(context, certificate) == 1;
    X509_free(certificate);
    if (!used) return false;
  }
  return false;
}

bool UseKey(SSL_CTX* context, const std::string& pem) {
  const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio == nullptr) return false;
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr);
  if (key == nullptr) return false;
  const bool used = SSL_CTX_use_PrivateKey(context, key) == 1;
  EVP_PKEY_free(key);
  return used && SSL_CTX_check_private_key(context) == 1;
}

SslContext MakeContext(const SSL_METHOD* method, int least_version, const std::string& certificate_pem,
                       const std::string& key_pem) {
  SslContext context(SSL_CTX_new(method));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), least_version) != 1) return nullptr;
  // Resumption would save few handshakes and need keys that are changed; renegotiation is for attackers only.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_NO_QUERY_MTU);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  // Partial writes of a queue that moves; buffers only while they hold something, for there are many idle connections.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  if (!UseChain(context.get(), certificate_pem) || !UseKey(context.get(), key_pem)) return nullptr;
  return context;
}

}  // namespace

std::shared_ptr<const TlsContexts> TlsContexts::Make(const std::string& certificate_pem, const std::string& key_pem) {
  ERR_clear_error();
  auto contexts = std::make_shared<TlsContexts>();
  contexts->stream = MakeContext(TLS_server_method(), TLS1_2_VERSION, certificate_pem, key_pem);
  contexts->datagram = MakeContext(DTLS_server_method(), DTLS1_2_VERSION, certificate_pem, key_pem);
  ERR_clear_error();
  if (contexts->stream == nullptr || contexts->datagram == nullptr) return nullptr;
  return contexts;
}

}  // namespace conclave
