// The ICE-TCP part of a forwarding thread: accepting, reading frames, closing.
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>

#include "io_thread.h"
#include "socket_address.h"

namespace conclave {
namespace {

// How often connections are looked at for silence.
constexpr int64_t kConnectionCheckUs = 1'000'000;
// Rest after accepting failed for want of descriptors or memory.
constexpr int64_t kAcceptPauseUs = 100'000;
constexpr int kAcceptsPerTurn = 64;

}  // namespace

void IoThread::CloseConnection(SocketId socket) {
  relayed_.Remove(socket);
  // Not at once: the caller may be in the midst of this connection's frames.
  if (connections_.count(socket) != 0) closing_.push_back(socket);
}

void IoThread::Accept(const Udp& listener, int64_t now_us) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const int accepted = accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        table_.counters().Add(kDroppedTcpLimit);
        // Level-triggered: watched on, the listener would keep the loop spinning while descriptors are short.
        Watch(EPOLL_CTL_MOD, listener.fd.get(), 0, listener.id);
        accept_paused_until_us_ = now_us + kAcceptPauseUs;
      }
      return;
    }
    const NetAddress remote = FromSockaddr(from);
    if (!limits_->Admit(remote)) {
      table_.counters().Add(kDroppedTcpLimit);
      close(accepted);
      continue;
    }
    const int on = 1;
    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // Else the kernel would hold megabytes of stale media for a slow reader.
    const int kernel_queue = static_cast<int>(std::clamp<size_t>(options_.tcp_queue_bytes, 16384, 1 << 20));
    setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &kernel_queue, sizeof kernel_queue);
    const SocketId id = NextId();
    auto connection = std::make_unique<TcpConnection>(accepted, id, remote, options_.tcp_queue_bytes, now_us);
    if (!Watch(EPOLL_CTL_ADD, accepted, EPOLLIN, id)) {
      limits_->Release(remote);
      continue;
    }
    if (connections_.empty()) next_connection_check_us_ = now_us + kConnectionCheckUs;
    connections_[id] = std::move(connection);
  }
}

void IoThread::OnConnection(TcpConnection* connection, uint32_t ready, int64_t now_us) {
  bool open = true;
  if (ready & EPOLLOUT) open = connection->Flush();
  if (open && (ready & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
    open = connection->Read(now_us);
    const PathKey path{connection->id(), connection->remote()};
    size_t length = 0;
    bool bad = false;
    // What came before the end still counts.
    while (uint8_t* frame = connection->NextFrame(&length, &bad)) table_.Receive(now_us, path, frame, length, now_us);
    if (bad) {
      table_.counters().Add(kDroppedMalformed);
      open = false;
    }
  }
  if (open) {
    WatchWrites(connection);
  } else {
    closing_.push_back(connection->id());
  }
}

void IoThread::WatchWrites(TcpConnection* connection) {
  if (connection->wants_write() == connection->watching_write) return;
  connection->watching_write = connection->wants_write();
  const uint32_t events = connection->watching_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  Watch(EPOLL_CTL_MOD, connection->fd(), events, connection->id());
}

void IoThread::ExpireConnections(int64_t now_us) {
  next_connection_check_us_ = now_us + kConnectionCheckUs;
  for (const auto& [id, connection] : connections_) {
    if (connection->Expired(now_us)) closing_.push_back(id);
  }
}

void IoThread::CloseTcp(SocketId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  limits_->Release(it->second->remote());
  connections_.erase(it);
  EventRecord record(EventType::kPathClosed);
  record.F64(static_cast<double>(id));
  Emit(&record, false);
}

}  // namespace conclave
