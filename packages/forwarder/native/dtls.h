// One DTLS 1.2 association over OpenSSL (RFC 6347, RFC 5764), without sockets: datagrams go in and come out by calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "identity.h"
#include "srtp.h"
#include "srtp_keys.h"

namespace conclave {

// Largest datagram of application data. With the record's 37 bytes it stays below any mtu allowed by default.
constexpr size_t kDtlsMaxDataBytes = 1100;

// Master keys and salts from our side. Wiped when it goes out of scope.
struct DtlsSrtpKeys {
  SrtpProfile profile = SrtpProfile::kAeadAes128Gcm;
  uint8_t receive_key[kSrtpMaxKeyLength] = {};
  uint8_t receive_salt[kSrtpMaxSaltLength] = {};
  uint8_t send_key[kSrtpMaxKeyLength] = {};
  uint8_t send_salt[kSrtpMaxSaltLength] = {};

  DtlsSrtpKeys() = default;
  DtlsSrtpKeys(const DtlsSrtpKeys&) = delete;
  DtlsSrtpKeys& operator=(const DtlsSrtpKeys&) = delete;
  ~DtlsSrtpKeys();
};

struct DtlsEvent {
  enum class Type : uint8_t { kConnected, kData, kClosed };
  Type type;
  // kConnected.
  std::string peer_fingerprint;
  std::vector<uint8_t> peer_certificate_der;
  std::unique_ptr<DtlsSrtpKeys> srtp_keys;
  // kData.
  std::vector<uint8_t> bytes;
  // kClosed.
  std::string reason;
};

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// Not thread-safe. OpenSSL keeps the retransmission timer by the wall clock.
class DtlsSession {
 public:
  // Null when OpenSSL fails.
  static std::unique_ptr<DtlsSession> Create(Identity* identity, DtlsRole role, const std::vector<SrtpProfile>& profiles,
                                             size_t mtu);
  ~DtlsSession();
  DtlsSession(const DtlsSession&) = delete;
  DtlsSession& operator=(const DtlsSession&) = delete;

  void Start();
  void HandlePacket(const uint8_t* bytes, size_t length);
  void HandleTimeout();
  // Until HandleTimeout has something to do; negative when it will not.
  int64_t TimeoutMicroseconds() const;
  bool PollTransmit(std::vector<uint8_t>* out);
  bool PollEvent(DtlsEvent* out);
  // False unless connected and within kDtlsMaxDataBytes and the mtu.
  bool Send(const uint8_t* bytes, size_t length);
  void Close();

 private:
  enum class State : uint8_t { kNew, kHandshake, kConnected, kClosed };

  DtlsSession(SslContext context, DtlsRole role, size_t mtu)
      : context_(std::move(context)), role_(role), mtu_(mtu) {}

  static BIO_METHOD* BioMethod();
  static int BioWrite(BIO* bio, const char* data, int length);
  static int BioRead(BIO* bio, char* data, int length);
  static long BioControl(BIO* bio, int command, long number, void* pointer);

  bool NewSsl();
  void Advance();
  void AdvanceHandshake();
  void ReadData();
  void ReportConnected();
  void Fail(const char* fallback_reason);

  const SslContext context_;
  const DtlsRole role_;
  const size_t mtu_;
  State state_ = State::kNew;
  std::unique_ptr<SSL, SslDeleter> ssl_;
  // The datagram OpenSSL may read now, if any.
  const uint8_t* incoming_ = nullptr;
  size_t incoming_length_ = 0;
  std::deque<std::vector<uint8_t>> outgoing_;
  std::deque<DtlsEvent> events_;
};

}  // namespace conclave
