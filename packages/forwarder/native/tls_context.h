// What TLS and DTLS servers are made with: a certificate chain and its key, from PEM.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>

#include "identity.h"

namespace conclave {

// One context for streams and one for datagrams. Immutable once made, so that threads may share it.
struct TlsContexts {
  SslContext stream;
  SslContext datagram;

  // Null when the PEM cannot be read, or certificate and key do not belong together.
  static std::shared_ptr<const TlsContexts> Make(const std::string& certificate_pem, const std::string& key_pem);
};

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPointer = std::unique_ptr<SSL, SslDeleter>;

}  // namespace conclave
