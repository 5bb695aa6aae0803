// DTLS sessions of many clients behind one UDP socket. Before a client proved its address by a cookie (RFC 6347 4.2.1),
// nothing of it is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "relay_types.h"
#include "tls_context.h"

namespace conclave {

class DtlsServer;

struct DtlsClient {
  SocketId id = 0;
  NetAddress remote;
  DtlsServer* server = nullptr;
  SslPointer ssl;
  bool connected = false;
  // To be freed with the next Sweep.
  bool dead = false;
  // Whether messages came of it.
  bool heard = false;
  int64_t opened_us = 0;
  int64_t last_message_us = 0;
  uint8_t hello_random[32] = {};
  // The datagram that OpenSSL is to read.
  const uint8_t* incoming = nullptr;
  size_t incoming_length = 0;
};

// What the server needs of its thread.
class DtlsServerOwner {
 public:
  virtual ~DtlsServerOwner() = default;
  virtual void SendDatagram(DtlsServer* server, const NetAddress& to, const uint8_t* data, size_t length) = 0;
  // Whether there is room for another session; if so it gets its id.
  virtual bool AdmitSession(DtlsClient* client) = 0;
  virtual void OnDtlsConnected(const DtlsClient& client) = 0;
  virtual void OnDtlsMessage(const DtlsClient& client, const uint8_t* data, size_t length) = 0;
  virtual void OnDtlsDropped() = 0;
  // It is gone: its place is free.
  virtual void OnDtlsClosed(const DtlsClient& client) = 0;
};

class DtlsServer {
 public:
  // Once made, a session keeps its context; new ones have the latest.
  DtlsServer(DtlsServerOwner* owner, std::shared_ptr<const TlsContexts> contexts);
  ~DtlsServer();
  DtlsServer(const DtlsServer&) = delete;
  DtlsServer& operator=(const DtlsServer&) = delete;

  // What a context needs to be given to SetContexts of any server; once, before threads share it.
  static void PrepareContext(SSL_CTX* context);
  void SetContexts(std::shared_ptr<const TlsContexts> contexts);
  void Receive(int64_t now_us, const NetAddress& remote, const uint8_t* data, size_t length);
  // One message; false when it was not sent.
  bool Send(DtlsClient* client, const uint8_t* data, size_t length);
  void Close(DtlsClient* client);
  // Repeats lost flights.
  void Tick();
  bool has_handshakes() const { return handshaking_ > 0; }
  // Frees what is dead. Not from within a callback.
  void Sweep();
  template <typename F>
  void ForEach(F f) {
    for (auto& [remote, client] : clients_) f(client.get());
  }
  size_t size() const { return clients_.size(); }

 private:
  static BIO_METHOD* BioMethod();
  static int BioWrite(BIO* bio, const char* data, int length);
  static int BioRead(BIO* bio, char* data, int length);
  static long BioControl(BIO* bio, int command, long number, void* pointer);
  static int MakeCookie(SSL* ssl, unsigned char* cookie, unsigned int* length);
  static int VerifyCookie(SSL* ssl, const unsigned char* cookie, unsigned int length);
  static bool ComputeCookie(const DtlsClient& client, int64_t slot, uint8_t* out);

  std::unique_ptr<DtlsClient> NewClient();
  void Listen(int64_t now_us, const NetAddress& remote, const uint8_t* data, size_t length);
  void Advance(int64_t now_us, DtlsClient* client);
  void Kill(DtlsClient* client);

  DtlsServerOwner* owner_;
  std::shared_ptr<const TlsContexts> contexts_;
  uint8_t secret_[32];
  int64_t cookie_slot_ = 0;
  BIO_ADDR* peer_;
  // Answers first messages; becomes a session when a cookie is right.
  std::unique_ptr<DtlsClient> listening_;
  std::unordered_map<NetAddress, std::unique_ptr<DtlsClient>, NetAddressHash> clients_;
  std::vector<std::unique_ptr<DtlsClient>> replaced_;
  bool has_dead_ = false;
  size_t handshaking_ = 0;
};

}  // namespace conclave
