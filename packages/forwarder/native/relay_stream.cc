#include "relay_stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>

namespace conclave {
namespace {

// One record's worth; more in one call would be cut anyhow.
constexpr size_t kMaxTlsWrite = 16384;
// Memory that a queue which was long may keep once it is empty.
constexpr size_t kKeptQueueBytes = 16384;

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

RelayStream::RelayStream(UniqueFd fd, SSL_CTX* context) : fd_(std::move(fd)) {
  if (context == nullptr) return;
  ssl_.reset(SSL_new(context));
  ok_ = ssl_ != nullptr && SSL_set_fd(ssl_.get(), fd_.get()) == 1;
  handshaking_ = ok_;
}

RelayStream::Progress RelayStream::Handshake() {
  ERR_clear_error();
  const int result = SSL_accept(ssl_.get());
  handshake_wants_write_ = false;
  if (result == 1) {
    handshaking_ = false;
    return Progress::kOpen;
  }
  const int error = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_WRITE) handshake_wants_write_ = true;
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? Progress::kHandshaking : Progress::kClosed;
}

RelayStream::Progress RelayStream::Read(uint8_t* out, size_t room, size_t* got, bool* end) {
  *got = 0;
  *end = false;
  if (ssl_ == nullptr) {
    const ssize_t n = recv(fd_.get(), out, room, MSG_DONTWAIT);
    if (n > 0) *got = static_cast<size_t>(n);
    if (n == 0) *end = true;
    return n > 0 || (n < 0 && (WouldBlock(errno) || errno == EINTR)) ? Progress::kOpen : Progress::kClosed;
  }
  ERR_clear_error();
  const int n = SSL_read(ssl_.get(), out, static_cast<int>(room));
  if (n > 0) {
    *got = static_cast<size_t>(n);
    return Progress::kOpen;
  }
  const int error = SSL_get_error(ssl_.get(), n);
  ERR_clear_error();
  *end = error == SSL_ERROR_ZERO_RETURN;
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? Progress::kOpen : Progress::kClosed;
}

bool RelayStream::Flush() {
  while (waiting() > 0) {
    const uint8_t* const data = queue_.data() + queue_begin_;
    ssize_t n;
    if (ssl_ == nullptr) {
      n = send(fd_.get(), data, waiting(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && !WouldBlock(errno)) return false;
    } else {
      ERR_clear_error();
      n = SSL_write(ssl_.get(), data, static_cast<int>(std::min(waiting(), kMaxTlsWrite)));
      if (n <= 0) {
        const int error = SSL_get_error(ssl_.get(), static_cast<int>(n));
        ERR_clear_error();
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
      }
    }
    if (n <= 0) break;
    queue_begin_ += static_cast<size_t>(n);
  }
  if (waiting() == 0) {
    queue_.clear();
    if (queue_.capacity() > kKeptQueueBytes) queue_.shrink_to_fit();
    queue_begin_ = 0;
  } else if (queue_begin_ > queue_.size() / 2) {
    // What was sent is given back before it outgrows what waits.
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_begin_));
    queue_begin_ = 0;
  }
  return true;
}

void RelayStream::FinishSending() {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  shutdown(fd_.get(), SHUT_WR);
}

}  // namespace conclave
