// One TCP connection of the relay plane, with TLS or without: bounded queues, nothing blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "tls_context.h"
#include "unique_fd.h"

namespace conclave {

class RelayStream {
 public:
  enum class Progress : uint8_t { kOpen, kHandshaking, kClosed };

  // With a context it is a TLS server that has yet to shake hands. `ok` tells whether OpenSSL had memory.
  RelayStream(UniqueFd fd, SSL_CTX* context);

  bool ok() const { return ok_; }
  int fd() const { return fd_.get(); }
  bool handshaking() const { return handshaking_; }

  // Goes on with the handshake.
  Progress Handshake();
  // Reads what is there, at most `room` bytes. 0 with kOpen: nothing now. kClosed with `*end`: the other side has finished
  // sending; without: the connection failed.
  Progress Read(uint8_t* out, size_t room, size_t* got, bool* end);
  // Whether bytes lie decrypted in OpenSSL, of which no readiness will be told.
  bool HasPending() const { return ssl_ != nullptr && SSL_pending(ssl_.get()) > 0; }

  // Appends to what waits to be sent; Flush sends it.
  void Queue(const uint8_t* data, size_t length) { queue_.insert(queue_.end(), data, data + length); }
  size_t waiting() const { return queue_.size() - queue_begin_; }
  // Sends as much as the socket takes. False when the connection failed.
  bool Flush();
  // Whether Flush, or the handshake, goes on when the socket can be written to.
  bool wants_write() const { return waiting() > 0 || handshake_wants_write_; }
  // No more will be sent (FIN, with TLS its alert before). Queued bytes must be gone.
  void FinishSending();

 private:
  UniqueFd fd_;
  SslPointer ssl_;
  bool ok_ = true;
  bool handshaking_ = false;
  bool handshake_wants_write_ = false;
  std::vector<uint8_t> queue_;
  size_t queue_begin_ = 0;
};

}  // namespace conclave
