#include "dtls.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/srtp.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>

#include "dtls_records.h"

namespace conclave {
namespace {

// First wait before a flight is sent again. Lower: a lost flight costs less of the call's start; higher: fewer useless
// repetitions to peers far away.
constexpr unsigned kFirstTimeoutMicroseconds = 250 * 1000;
// Longest wait. OpenSSL gives up after the twelfth, some 40 seconds after the start.
constexpr unsigned kLongestTimeoutMicroseconds = 4 * 1000 * 1000;
// Datagrams and events not yet polled. An owner that polls after every call needs a flight's worth; beyond the bound
// they are lost, which DTLS bears.
constexpr size_t kMaxOutgoing = 64;
constexpr size_t kMaxEvents = 256;
// Record header, explicit nonce and tag of AES-GCM (RFC 6347 4.1, RFC 5288).
constexpr size_t kRecordOverhead = 13 + 8 + 16;
constexpr size_t kReadBufferBytes = 16 * 1024;
constexpr char kExporterLabel[] = "EXTRACTOR-dtls_srtp";

unsigned NextTimeout(SSL*, unsigned last_microseconds) {
  if (last_microseconds == 0) return kFirstTimeoutMicroseconds;
  return std::min(last_microseconds * 2, kLongestTimeoutMicroseconds);
}

// Splits the exported material (RFC 5764 4.2): both keys, then both salts, the client's first.
bool ExportSrtpKeys(SSL* ssl, DtlsRole role, DtlsSrtpKeys* out) {
  const SRTP_PROTECTION_PROFILE* const selected = SSL_get_selected_srtp_profile(ssl);
  if (selected == nullptr) return false;
  out->profile = static_cast<SrtpProfile>(selected->id);
  const size_t key_length = SrtpKeyLength(out->profile);
  const size_t salt_length = SrtpSaltLength(out->profile);
  if (key_length == 0) return false;
  uint8_t material[2 * (kSrtpMaxKeyLength + kSrtpMaxSaltLength)];
  const size_t length = 2 * (key_length + salt_length);
  const bool exported =
      SSL_export_keying_material(ssl, material, length, kExporterLabel, sizeof(kExporterLabel) - 1, nullptr, 0, 0) == 1;
  if (exported) {
    const bool is_client = role == DtlsRole::kClient;
    const uint8_t* at = material;
    memcpy(is_client ? out->send_key : out->receive_key, at, key_length);
    at += key_length;
    memcpy(is_client ? out->receive_key : out->send_key, at, key_length);
    at += key_length;
    memcpy(is_client ? out->send_salt : out->receive_salt, at, salt_length);
    at += salt_length;
    memcpy(is_client ? out->receive_salt : out->send_salt, at, salt_length);
  }
  OPENSSL_cleanse(material, sizeof(material));
  return exported;
}

}  // namespace

DtlsSrtpKeys::~DtlsSrtpKeys() { OPENSSL_cleanse(this, sizeof(*this)); }

BIO_METHOD* DtlsSession::BioMethod() {
  // One for the process, as OpenSSL's own; never freed.
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
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

int DtlsSession::BioWrite(BIO* bio, const char* data, int length) {
  auto* const session = static_cast<DtlsSession*>(BIO_get_data(bio));
  if (length <= 0) return 0;
  if (session->outgoing_.size() < kMaxOutgoing) {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(data);
    session->outgoing_.emplace_back(bytes, bytes + length);
  }
  return length;
}

int DtlsSession::BioRead(BIO* bio, char* data, int length) {
  auto* const session = static_cast<DtlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (session->incoming_ == nullptr || length <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  // As from a socket, what does not fit the buffer is lost.
  const size_t taken = std::min(session->incoming_length_, static_cast<size_t>(length));
  memcpy(data, session->incoming_, taken);
  session->incoming_ = nullptr;
  return static_cast<int>(taken);
}

long DtlsSession::BioControl(BIO* bio, int command, long, void*) {
  auto* const session = static_cast<DtlsSession*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return static_cast<long>(session->mtu_);
    default:
      return 0;
  }
}

std::unique_ptr<DtlsSession> DtlsSession::Create(Identity* identity, DtlsRole role,
                                                 const std::vector<SrtpProfile>& profiles, size_t mtu) {
  ERR_clear_error();
  SslContext context = identity->ContextFor(role, profiles);
  if (context == nullptr) return nullptr;
  std::unique_ptr<DtlsSession> session(new DtlsSession(std::move(context), role, mtu));
  return session->NewSsl() ? std::move(session) : nullptr;
}

DtlsSession::~DtlsSession() = default;

bool DtlsSession::NewSsl() {
  ssl_.reset(SSL_new(context_.get()));
  BIO_METHOD* const method = BioMethod();
  BIO* const bio = method == nullptr ? nullptr : BIO_new(method);
  if (ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    return false;
  }
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  DTLS_set_timer_cb(ssl_.get(), NextTimeout);
  SSL_set_mtu(ssl_.get(), static_cast<long>(mtu_));
  if (role_ == DtlsRole::kServer) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
  return true;
}

void DtlsSession::Start() {
  if (state_ != State::kNew) return;
  state_ = State::kHandshake;
  Advance();
}

void DtlsSession::HandlePacket(const uint8_t* bytes, size_t length) {
  // An empty datagram would read as the end of the stream.
  if (length == 0 || (state_ != State::kHandshake && state_ != State::kConnected)) return;
  length = LengthOfWholeRecords(ssl_.get(), bytes, length);
  if (length == 0) return;
  const size_t queued = outgoing_.size();
  const OSSL_HANDSHAKE_STATE progress = SSL_get_state(ssl_.get());
  const bool awaits_hello =
      role_ == DtlsRole::kServer && (progress == TLS_ST_BEFORE || progress == TLS_ST_SR_CLNT_HELLO);
  incoming_ = bytes;
  incoming_length_ = length;
  Advance();
  incoming_ = nullptr;
  // A first message that cannot be served may be anybody's. It is as if it had not come: the peer's own still can.
  if (awaits_hello && state_ == State::kClosed) {
    outgoing_.resize(std::min(outgoing_.size(), queued));
    events_.clear();
    if (!NewSsl()) return Fail("OpenSSL failed");
    state_ = State::kHandshake;
    Advance();
  }
}

void DtlsSession::HandleTimeout() {
  if (state_ != State::kHandshake && state_ != State::kConnected) return;
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_.get()) < 0) Fail("no answer from the peer");
}

int64_t DtlsSession::TimeoutMicroseconds() const {
  if (state_ != State::kHandshake && state_ != State::kConnected) return -1;
  timeval left = {};
  if (DTLSv1_get_timeout(ssl_.get(), &left) != 1) return -1;
  return int64_t{left.tv_sec} * 1000000 + left.tv_usec;
}

void DtlsSession::Advance() {
  ERR_clear_error();
  if (state_ == State::kHandshake) AdvanceHandshake();
  if (state_ == State::kConnected) ReadData();
  ERR_clear_error();
}

void DtlsSession::AdvanceHandshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::kConnected;
    ReportConnected();
    return;
  }
  const int error = SSL_get_error(ssl_.get(), result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) Fail("the handshake failed");
}

void DtlsSession::ReadData() {
  uint8_t buffer[kReadBufferBytes];
  for (;;) {
    const int result = SSL_read(ssl_.get(), buffer, sizeof(buffer));
    if (result > 0) {
      if (events_.size() < kMaxEvents) {
        DtlsEvent event = {};
        event.type = DtlsEvent::Type::kData;
        event.bytes.assign(buffer, buffer + result);
        events_.push_back(std::move(event));
      }
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
    if (error == SSL_ERROR_ZERO_RETURN) {
      SSL_shutdown(ssl_.get());
      ERR_clear_error();
      return Fail("closed by the peer");
    }
    return Fail("the session failed");
  }
}

void DtlsSession::ReportConnected() {
  DtlsEvent event = {};
  event.type = DtlsEvent::Type::kConnected;
  X509* const certificate = SSL_get1_peer_certificate(ssl_.get());
  if (certificate != nullptr) {
    event.peer_fingerprint = CertificateFingerprint(certificate);
    const int length = i2d_X509(certificate, nullptr);
    event.peer_certificate_der.resize(static_cast<size_t>(std::max(length, 0)));
    unsigned char* at = event.peer_certificate_der.data();
    if (length > 0) i2d_X509(certificate, &at);
  }
  X509_free(certificate);
  if (event.peer_fingerprint.empty()) return Fail("the peer has no certificate");
  auto keys = std::make_unique<DtlsSrtpKeys>();
  if (ExportSrtpKeys(ssl_.get(), role_, keys.get())) event.srtp_keys = std::move(keys);
  events_.push_back(std::move(event));
}

void DtlsSession::Fail(const char* fallback_reason) {
  const unsigned long error = ERR_peek_error();
  const char* const reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  DtlsEvent event = {};
  event.type = DtlsEvent::Type::kClosed;
  event.reason = reason == nullptr ? fallback_reason : std::string(fallback_reason) + ": " + reason;
  events_.push_back(std::move(event));
  state_ = State::kClosed;
  ssl_.reset();
  ERR_clear_error();
}

bool DtlsSession::PollTransmit(std::vector<uint8_t>* out) {
  if (outgoing_.empty()) return false;
  *out = std::move(outgoing_.front());
  outgoing_.pop_front();
  return true;
}

bool DtlsSession::PollEvent(DtlsEvent* out) {
  if (events_.empty()) return false;
  *out = std::move(events_.front());
  events_.pop_front();
  return true;
}

bool DtlsSession::Send(const uint8_t* bytes, size_t length) {
  if (state_ != State::kConnected || length == 0 || length > kDtlsMaxDataBytes || length + kRecordOverhead > mtu_) {
    return false;
  }
  ERR_clear_error();
  const bool sent = SSL_write(ssl_.get(), bytes, static_cast<int>(length)) == static_cast<int>(length);
  ERR_clear_error();
  return sent;
}

void DtlsSession::Close() {
  events_.clear();
  if (state_ == State::kConnected) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  state_ = State::kClosed;
  ssl_.reset();
}

}  // namespace conclave
