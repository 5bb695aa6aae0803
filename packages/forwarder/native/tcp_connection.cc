#include "tcp_connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace conclave {
namespace {

// Room for one frame and much of the next; more is read in further turns, so that others get theirs.
constexpr size_t kInputBytes = 4 * (kMaxDatagram + 2);
constexpr uint32_t kStunCookie = 0x2112a442;

bool IsStun(const uint8_t* data, size_t length) {
  return length >= 20 && data[0] <= 3 && ReadU32(data + 4) == kStunCookie;
}

}  // namespace

TcpLimits::Key TcpLimits::KeyOf(const NetAddress& remote) {
  Key key;
  key.bytes[0] = remote.family;
  std::memcpy(key.bytes + 1, remote.bytes, 16);
  // Whoever has one IPv6 address has a /64.
  if (remote.family == 6) std::memset(key.bytes + 9, 0, 8);
  return key;
}

bool TcpLimits::Admit(const NetAddress& remote) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (total_ >= max_total_) return false;
  size_t& count = per_address_[KeyOf(remote)];
  if (count >= max_per_address_) return false;
  ++count;
  ++total_;
  return true;
}

void TcpLimits::Release(const NetAddress& remote) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto it = per_address_.find(KeyOf(remote));
  if (it == per_address_.end()) return;
  --total_;
  if (--it->second == 0) per_address_.erase(it);
}

TcpConnection::TcpConnection(int fd, SocketId id, const NetAddress& remote, size_t queue_bytes, int64_t now_us)
    : fd_(fd), id_(id), remote_(remote), max_queue_(queue_bytes), opened_us_(now_us), last_read_us_(now_us) {
  input_.resize(kInputBytes);
}

TcpConnection::~TcpConnection() { close(fd_); }

bool TcpConnection::Read(int64_t now_us) {
  if (input_begin_ > 0) {
    std::memmove(input_.data(), input_.data() + input_begin_, input_end_ - input_begin_);
    input_end_ -= input_begin_;
    input_begin_ = 0;
  }
  const ssize_t got = recv(fd_, input_.data() + input_end_, input_.size() - input_end_, MSG_DONTWAIT);
  if (got == 0) return false;
  if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  input_end_ += static_cast<size_t>(got);
  last_read_us_ = now_us;
  return true;
}

uint8_t* TcpConnection::NextFrame(size_t* length, bool* bad) {
  *bad = false;
  for (;;) {
    const size_t available = input_end_ - input_begin_;
    if (available < 2) return nullptr;
    uint8_t* const p = input_.data() + input_begin_;
    const size_t frame = ReadU16(p);
    if (frame > kMaxDatagram) {
      *bad = true;
      return nullptr;
    }
    if (available < 2 + frame) return nullptr;
    input_begin_ += 2 + frame;
    if (!greeted_ && !IsStun(p + 2, frame)) {
      *bad = true;
      return nullptr;
    }
    greeted_ = true;
    if (frame == 0) continue;
    *length = frame;
    return p + 2;
  }
}

TcpConnection::WriteResult TcpConnection::Write(const uint8_t* data, size_t length, bool media) {
  uint8_t prefix[2];
  WriteU16(prefix, static_cast<uint16_t>(length));
  const size_t waiting = queue_.size() - queue_begin_;
  size_t sent = 0;
  if (waiting == 0) {
    iovec parts[2] = {{prefix, 2}, {const_cast<uint8_t*>(data), length}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t n = sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return WriteResult::kFailed;
    if (n > 0) sent = static_cast<size_t>(n);
    if (sent == length + 2) return WriteResult::kOk;
  } else if (waiting + length + 2 > max_queue_) {
    if (media) return WriteResult::kDropped;
    // Twice the bound of control traffic unread: the peer is gone.
    if (waiting + length + 2 > 2 * max_queue_) return WriteResult::kFailed;
  }
  if (queue_begin_ == queue_.size()) {
    queue_.clear();
    queue_begin_ = 0;
  }
  if (sent < 2) queue_.insert(queue_.end(), prefix + sent, prefix + 2);
  const size_t from = sent < 2 ? 0 : sent - 2;
  queue_.insert(queue_.end(), data + from, data + length);
  return WriteResult::kOk;
}

bool TcpConnection::Flush() {
  while (queue_begin_ < queue_.size()) {
    const ssize_t n = send(fd_, queue_.data() + queue_begin_, queue_.size() - queue_begin_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
      break;
    }
    queue_begin_ += static_cast<size_t>(n);
  }
  // What was sent is given back before it outgrows what waits.
  if (queue_begin_ >= queue_.size() || queue_begin_ > max_queue_ / 2) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_begin_));
    queue_begin_ = 0;
  }
  return true;
}

}  // namespace conclave
