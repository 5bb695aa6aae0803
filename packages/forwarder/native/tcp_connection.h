// One accepted ICE-TCP connection (RFC 6544 passive) with frames of RFC 4571: u16 length, then the datagram.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "types.h"

namespace conclave {

// How many connections there are, in all threads together.
class TcpLimits {
 public:
  TcpLimits(size_t total, size_t per_address) : max_total_(total), max_per_address_(per_address) {}
  bool Admit(const NetAddress& remote);
  void Release(const NetAddress& remote);

 private:
  struct Key {
    uint8_t bytes[17];
    bool operator<(const Key& other) const { return std::memcmp(bytes, other.bytes, sizeof bytes) < 0; }
  };
  static Key KeyOf(const NetAddress& remote);

  const size_t max_total_;
  const size_t max_per_address_;
  std::mutex mutex_;
  size_t total_ = 0;
  std::map<Key, size_t> per_address_;
};

class TcpConnection {
 public:
  // Time for the first frame, which must be STUN. Lower: slow clients fail; higher: silent connections hold places.
  static constexpr int64_t kFirstFrameUs = 10'000'000;
  // Silence after which a connection is given up. Consent checks (RFC 7675) come every few seconds.
  static constexpr int64_t kIdleUs = 60'000'000;

  enum class WriteResult : uint8_t { kOk, kDropped, kFailed };

  TcpConnection(int fd, SocketId id, const NetAddress& remote, size_t queue_bytes, int64_t now_us);
  ~TcpConnection();
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  int fd() const { return fd_; }
  SocketId id() const { return id_; }
  const NetAddress& remote() const { return remote_; }

  // Reads what is there, a bounded amount. False when the connection is to be closed.
  bool Read(int64_t now_us);
  // The next whole frame, valid and writable until the next call; null if none. Sets `*bad` when the connection breaks
  // the rules.
  uint8_t* NextFrame(size_t* length, bool* bad);

  // Frames and sends, or queues, one datagram. Media is dropped when the queue is full; other traffic fails only when
  // the peer has stopped reading for good.
  WriteResult Write(const uint8_t* data, size_t length, bool media);
  // Sends on when the socket takes more. False when the connection is to be closed.
  bool Flush();
  bool wants_write() const { return queue_begin_ < queue_.size(); }

  bool Expired(int64_t now_us) const {
    return greeted_ ? now_us - last_read_us_ > kIdleUs : now_us - opened_us_ > kFirstFrameUs;
  }

  // Whether epoll watches for writability; kept by the loop.
  bool watching_write = false;

 private:
  int fd_;
  SocketId id_;
  NetAddress remote_;
  size_t max_queue_;
  int64_t opened_us_;
  int64_t last_read_us_;
  bool greeted_ = false;

  std::vector<uint8_t> input_;
  size_t input_begin_ = 0;
  size_t input_end_ = 0;
  std::vector<uint8_t> queue_;
  size_t queue_begin_ = 0;
};

}  // namespace conclave
