#include "dtls_server.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>

#include "dtls_records.h"

namespace conclave {
namespace {

// Where a first message has what: record header, handshake header, version, random.
constexpr size_t kHandshakeType = 13;
constexpr size_t kHelloRandom = 13 + 12 + 2;
constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHello = 1;
constexpr size_t kCookieBytes = 16;
// A cookie is good for one to two of these. Lower: clients on slow links fail; higher: it can be played back longer.
constexpr int64_t kCookieSlotUs = 30'000'000;
// Of flights: fits every path that carries IPv6, tunnels included.
constexpr long kMtu = 1200;
constexpr size_t kReadBytes = 16 * 1024;

bool IsClientHello(const uint8_t* data, size_t length) {
  return length >= kHelloRandom + 32 && data[0] == kHandshakeRecord && data[3] == 0 && data[4] == 0 &&
         data[kHandshakeType] == kClientHello;
}

}  // namespace

BIO_METHOD* DtlsServer::BioMethod() {
  // One for the process, as OpenSSL's own; never freed.
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "relay datagrams");
    if (made == nullptr) return made;
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_ctrl(made, BioControl);
    BIO_meth_set_create(made, [](BIO* bio) {
      BIO_set_init(bio, 1);
      return 1;
    });
    return made;
  }();
  return method;
}

int DtlsServer::BioWrite(BIO* bio, const char* data, int length) {
  auto* const client = static_cast<DtlsClient*>(BIO_get_data(bio));
  if (length <= 0) return 0;
  client->server->owner_->SendDatagram(client->server, client->remote, reinterpret_cast<const uint8_t*>(data),
                                       static_cast<size_t>(length));
  return length;
}

int DtlsServer::BioRead(BIO* bio, char* data, int length) {
  auto* const client = static_cast<DtlsClient*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (client->incoming == nullptr || length <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t taken = std::min(client->incoming_length, static_cast<size_t>(length));
  std::memcpy(data, client->incoming, taken);
  client->incoming = nullptr;
  return static_cast<int>(taken);
}

long DtlsServer::BioControl(BIO*, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU: return kMtu;
    default: return 0;
  }
}

bool DtlsServer::ComputeCookie(const DtlsClient& client, int64_t slot, uint8_t* out) {
  const DtlsServer& server = *client.server;
  uint8_t text[8 + 1 + 16 + 2] = {};
  std::memcpy(text, &slot, sizeof slot);
  text[8] = client.remote.family;
  std::memcpy(text + 9, client.remote.bytes, 16);
  WriteU16(text + 25, client.remote.port);
  uint8_t tag[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (HMAC(EVP_sha256(), server.secret_, sizeof server.secret_, text, sizeof text, tag, &length) == nullptr) return false;
  std::memcpy(out, tag, kCookieBytes);
  return true;
}

int DtlsServer::MakeCookie(SSL* ssl, unsigned char* cookie, unsigned int* length) {
  const auto* const client = static_cast<DtlsClient*>(BIO_get_data(SSL_get_rbio(ssl)));
  *length = kCookieBytes;
  return ComputeCookie(*client, client->server->cookie_slot_, cookie) ? 1 : 0;
}

int DtlsServer::VerifyCookie(SSL* ssl, const unsigned char* cookie, unsigned int length) {
  const auto* const client = static_cast<DtlsClient*>(BIO_get_data(SSL_get_rbio(ssl)));
  if (length != kCookieBytes) return 0;
  for (const int64_t slot : {client->server->cookie_slot_, client->server->cookie_slot_ - 1}) {
    uint8_t expected[kCookieBytes];
    if (ComputeCookie(*client, slot, expected) && CRYPTO_memcmp(cookie, expected, kCookieBytes) == 0) return 1;
  }
  return 0;
}

DtlsServer::DtlsServer(DtlsServerOwner* owner, std::shared_ptr<const TlsContexts> contexts)
    : owner_(owner), peer_(BIO_ADDR_new()) {
  RAND_bytes(secret_, sizeof secret_);
  SetContexts(std::move(contexts));
}

DtlsServer::~DtlsServer() {
  OPENSSL_cleanse(secret_, sizeof secret_);
  BIO_ADDR_free(peer_);
}

void DtlsServer::PrepareContext(SSL_CTX* context) {
  SSL_CTX_set_cookie_generate_cb(context, MakeCookie);
  SSL_CTX_set_cookie_verify_cb(context, VerifyCookie);
}

void DtlsServer::SetContexts(std::shared_ptr<const TlsContexts> contexts) {
  contexts_ = std::move(contexts);
  listening_ = NewClient();
}

std::unique_ptr<DtlsClient> DtlsServer::NewClient() {
  auto client = std::make_unique<DtlsClient>();
  client->server = this;
  client->ssl.reset(SSL_new(contexts_->datagram.get()));
  BIO_METHOD* const method = BioMethod();
  BIO* const bio = method == nullptr ? nullptr : BIO_new(method);
  if (client->ssl == nullptr || bio == nullptr) {
    BIO_free(bio);
    return nullptr;
  }
  BIO_set_data(bio, client.get());
  SSL_set_bio(client->ssl.get(), bio, bio);
  SSL_set_mtu(client->ssl.get(), kMtu);
  SSL_set_accept_state(client->ssl.get());
  return client;
}

void DtlsServer::Receive(int64_t now_us, const NetAddress& remote, const uint8_t* data, size_t length) {
  const auto it = clients_.find(remote);
  const bool is_hello = IsClientHello(data, length);
  if (it == clients_.end()) {
    if (!is_hello) return owner_->OnDtlsDropped();
    return Listen(now_us, remote, data, length);
  }
  DtlsClient* const client = it->second.get();
  if (is_hello && std::memcmp(client->hello_random, data + kHelloRandom, 32) != 0) {
    // A client that lost its session begins anew (RFC 6347 4.2.8): it must prove its address again.
    return Listen(now_us, remote, data, length);
  }
  if (client->dead || (is_hello && client->connected)) return owner_->OnDtlsDropped();
  length = LengthOfWholeRecords(client->ssl.get(), data, length);
  if (length == 0) return owner_->OnDtlsDropped();
  client->incoming = data;
  client->incoming_length = length;
  Advance(now_us, client);
  client->incoming = nullptr;
}

void DtlsServer::Listen(int64_t now_us, const NetAddress& remote, const uint8_t* data, size_t length) {
  if (listening_ == nullptr) listening_ = NewClient();
  if (listening_ == nullptr || peer_ == nullptr) return owner_->OnDtlsDropped();
  cookie_slot_ = now_us / kCookieSlotUs;
  DtlsClient* const client = listening_.get();
  client->remote = remote;
  client->incoming = data;
  client->incoming_length = length;
  ERR_clear_error();
  const int result = DTLSv1_listen(client->ssl.get(), peer_);
  ERR_clear_error();
  client->incoming = nullptr;
  if (result < 0) listening_ = nullptr;
  if (result <= 0) return;

  std::unique_ptr<DtlsClient> session = std::move(listening_);
  listening_ = NewClient();
  const auto former = clients_.find(remote);
  if (former != clients_.end()) {
    Kill(former->second.get());
    owner_->OnDtlsClosed(*former->second);
    // Its memory stays until the sweep: we may have been called by it.
    replaced_.push_back(std::move(former->second));
    clients_.erase(former);
  }
  if (!owner_->AdmitSession(session.get())) return;
  session->opened_us = session->last_message_us = now_us;
  std::memcpy(session->hello_random, data + kHelloRandom, 32);
  ++handshaking_;
  DtlsClient* const raw = session.get();
  clients_[remote] = std::move(session);
  Advance(now_us, raw);
}

void DtlsServer::Advance(int64_t now_us, DtlsClient* client) {
  ERR_clear_error();
  if (!client->connected) {
    const int result = SSL_accept(client->ssl.get());
    if (result != 1) {
      const int error = SSL_get_error(client->ssl.get(), result);
      ERR_clear_error();
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) Kill(client);
      return;
    }
    client->connected = true;
    --handshaking_;
    owner_->OnDtlsConnected(*client);
  }
  uint8_t buffer[kReadBytes];
  for (;;) {
    ERR_clear_error();
    const int n = SSL_read(client->ssl.get(), buffer, sizeof buffer);
    if (n <= 0) {
      const int error = SSL_get_error(client->ssl.get(), n);
      ERR_clear_error();
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) Close(client);
      return;
    }
    client->heard = true;
    client->last_message_us = now_us;
    owner_->OnDtlsMessage(*client, buffer, static_cast<size_t>(n));
    if (client->dead) return;
  }
}

bool DtlsServer::Send(DtlsClient* client, const uint8_t* data, size_t length) {
  if (client->dead || !client->connected || length == 0) return false;
  ERR_clear_error();
  const bool sent = SSL_write(client->ssl.get(), data, static_cast<int>(length)) == static_cast<int>(length);
  ERR_clear_error();
  return sent;
}

void DtlsServer::Close(DtlsClient* client) {
  if (client->dead) return;
  if (client->connected) {
    ERR_clear_error();
    SSL_shutdown(client->ssl.get());
    ERR_clear_error();
  }
  Kill(client);
}

void DtlsServer::Kill(DtlsClient* client) {
  if (client->dead) return;
  client->dead = true;
  if (!client->connected) --handshaking_;
  has_dead_ = true;
}

void DtlsServer::Tick() {
  if (handshaking_ == 0) return;
  for (auto& [remote, client] : clients_) {
    if (client->connected || client->dead) continue;
    ERR_clear_error();
    if (DTLSv1_handle_timeout(client->ssl.get()) < 0) Kill(client.get());
    ERR_clear_error();
  }
}

void DtlsServer::Sweep() {
  replaced_.clear();
  if (!has_dead_) return;
  has_dead_ = false;
  for (auto it = clients_.begin(); it != clients_.end();) {
    if (it->second->dead) {
      owner_->OnDtlsClosed(*it->second);
      it = clients_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace conclave
