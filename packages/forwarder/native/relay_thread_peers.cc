// The TCP relays of a relay thread (RFC 6062): connections with peers, and the pipes between them and clients' streams.
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>

#include <algorithm>

#include "relay_thread.h"
#include "socket_address.h"

namespace conclave {
namespace {

// Bytes that wait for one side at most.
constexpr size_t kPipeBytes = 65536;
// Read in one go; small, so that many pipes share a thread fairly.
constexpr size_t kReadBytes = 16384;
constexpr int kReadsPerTurn = 4;
constexpr int kAcceptsPerTurn = 16;
// Connections of one relay that wait for a decision.
constexpr size_t kMaxUndecided = 32;

}  // namespace

void RelayThread::TellPeer(RelayEventType type, ConnectionId connection) {
  EventRecord record = NewRelayRecord(type);
  record.U32(connection);
  EmitRelay(&record, false);
}

void RelayThread::ConnectPeer(RelayId id, ConnectionId connection, const NetAddress& to) {
  Relay* const relay = table_.Find(id);
  if (relay == nullptr || !relay->tcp || connections_.count(connection) != 0) return;
  NetAddress bound;
  auto peer = std::make_unique<PeerStream>(BindRelaySocket(relay->address, true, &bound));
  sockaddr_storage name{};
  const socklen_t length = ToSockaddr(to, &name);
  const int fd = peer->stream.fd();
  const bool started =
      fd >= 0 && (connect(fd, reinterpret_cast<sockaddr*>(&name), length) == 0 || errno == EINPROGRESS);
  if (!started || !Watch(peer.get(), fd, EPOLLOUT)) return TellPeer(RelayEventType::kPeerClosed, connection);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  peer->incoming_id = NextId();
  peer->has_connection = true;
  peer->connection = connection;
  peer->relay = relay;
  peer->remote = to;
  peer->connecting = true;
  peer->opened_us = now_us_;
  connections_[connection] = peer.get();
  peers_[peer->incoming_id] = std::move(peer);
}

void RelayThread::AcceptPeers(TcpRelayPort* port) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    UniqueFd fd(accept4(port->fd.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.get() < 0) {
      if (errno != EMFILE && errno != ENFILE) return;
      // Left waiting, it would keep the loop spinning while descriptors are short.
      spare_ = UniqueFd();
      { const UniqueFd refused(accept4(port->fd.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
      spare_ = UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
      return table_.counters().Add(kRelayDroppedConnectionLimit);
    }
    const NetAddress remote = FromSockaddr(from);
    if (!port->relay->Permits(WithoutPort(remote))) {
      table_.counters().Add(kRelayDroppedNoPermission);
      continue;
    }
    if (port->waiting >= kMaxUndecided) {
      table_.counters().Add(kRelayDroppedConnectionLimit);
      continue;
    }
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto peer = std::make_unique<PeerStream>(std::move(fd));
    // Nothing is read before it is joined: the kernel holds what comes.
    if (!Watch(peer.get(), peer->stream.fd(), 0)) continue;
    peer->incoming_id = NextId();
    peer->relay = port->relay;
    peer->remote = remote;
    peer->opened_us = now_us_;
    ++port->waiting;
    EventRecord record = NewRelayRecord(RelayEventType::kPeerIncoming);
    record.U32(port->relay->id).F64(static_cast<double>(peer->incoming_id)).Path({0, remote});
    EmitRelay(&record, false);
    peers_[peer->incoming_id] = std::move(peer);
  }
}

void RelayThread::AcceptPeer(SocketId incoming, ConnectionId connection) {
  const auto it = peers_.find(incoming);
  // It may have ended meanwhile.
  if (it == peers_.end() || it->second->has_connection || connections_.count(connection) != 0) {
    return TellPeer(RelayEventType::kPeerClosed, connection);
  }
  PeerStream* const peer = it->second.get();
  peer->has_connection = true;
  peer->connection = connection;
  connections_[connection] = peer;
  --static_cast<Ports*>(peer->relay->resource.get())->tcp->waiting;
}

void RelayThread::RefusePeer(SocketId incoming) {
  const auto it = peers_.find(incoming);
  if (it != peers_.end() && !it->second->has_connection) ClosePeer(it->second.get(), false);
}

void RelayThread::CloseConnection(ConnectionId connection) {
  const auto it = connections_.find(connection);
  if (it != connections_.end()) ClosePeer(it->second, false);
}

void RelayThread::OnPeer(PeerStream* peer, uint32_t ready) {
  if (peer->connecting) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(peer->stream.fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0 || (ready & EPOLLERR) != 0) return ClosePeer(peer, true);
    peer->connecting = false;
    Watch(peer, peer->stream.fd(), 0);
    return TellPeer(RelayEventType::kPeerConnected, peer->connection);
  }
  if (peer->client == nullptr) {
    if ((ready & (EPOLLHUP | EPOLLERR)) != 0) ClosePeer(peer, true);
    return;
  }
  if ((ready & EPOLLERR) != 0 || ((ready & EPOLLOUT) != 0 && !peer->stream.Flush())) return ClosePeer(peer, true);
  PumpToPeer(peer);
  if (!peer->dead) PumpToClient(peer);
}

void RelayThread::PumpThrottled() {
  has_throttled_ = false;
  std::vector<PeerStream*> joined;
  for (const auto& [id, peer] : peers_) {
    if (peer->client != nullptr) joined.push_back(peer.get());
  }
  for (PeerStream* peer : joined) {
    PumpToPeer(peer);
    if (!peer->dead) PumpToClient(peer);
  }
}

void RelayThread::JoinConnection(ConnectionId connection, const RelayClientKey& key, uint32_t thread) {
  if (thread >= threads_.size()) return;
  RelayThread* const owner = threads_[thread];
  const auto it = clients_.find(key.path.socket);
  std::unique_ptr<ClientStream> client;
  if (it != clients_.end()) {
    client = std::move(it->second);
    clients_.erase(it);
    Unwatch(client.get(), client->stream.fd());
    if (client->dirty) dirty_.erase(std::find(dirty_.begin(), dirty_.end(), client.get()));
    client->dirty = false;
  }
  if (owner == this) return Adopt(connection, std::move(client));
  // A function that can be copied, as the standard's must be.
  auto moved = std::make_shared<std::unique_ptr<ClientStream>>(std::move(client));
  owner->PostTask([owner, connection, moved] { owner->Adopt(connection, std::move(*moved)); });
}

void RelayThread::Adopt(ConnectionId connection, std::unique_ptr<ClientStream> client) {
  const auto it = connections_.find(connection);
  PeerStream* const peer = it == connections_.end() ? nullptr : it->second;
  if (client == nullptr) {
    if (peer != nullptr) ClosePeer(peer, true);
    return;
  }
  if (peer == nullptr || peer->client != nullptr || peer->connecting) {
    limits_->Release(client->key.path.remote);
    return Bury(std::move(client));
  }
  client->joined = peer;
  peer->client = std::move(client);
  ClientStream* const raw = peer->client.get();
  peer->stream.Queue(raw->pending.data(), raw->pending.size());
  peer->relay->totals.from_client_bytes += raw->pending.size();
  peer->relay->totals.to_peer_bytes += raw->pending.size();
  raw->pending = {};
  PumpToPeer(peer);
  if (!peer->dead) PumpToClient(peer);
}

// Reads from one side what the other has room for and the cap allows, and sends it on.
namespace {

enum class Pumped : uint8_t { kOpen, kThrottled, kFailed };

Pumped Pump(RelayStream* from, RelayStream* to, bool* ended, TokenBucket* cap, int64_t now_us, uint8_t* scratch,
            uint64_t* bytes) {
  for (int turn = 0; (turn < kReadsPerTurn || from->HasPending()) && !*ended; ++turn) {
    if (!to->Flush()) return Pumped::kFailed;
    if (to->waiting() >= kPipeBytes) return Pumped::kOpen;
    size_t room = std::min(kReadBytes, kPipeBytes - to->waiting());
    if (cap->limited()) room = std::min(room, cap->Available(now_us));
    if (room == 0) return Pumped::kThrottled;
    size_t got = 0;
    const RelayStream::Progress progress = from->Read(scratch, room, &got, ended);
    if (progress == RelayStream::Progress::kClosed && !*ended) return Pumped::kFailed;
    if (got == 0) break;
    cap->Take(got, now_us);
    *bytes += got;
    to->Queue(scratch, got);
  }
  return to->Flush() ? Pumped::kOpen : Pumped::kFailed;
}

}  // namespace

void RelayThread::PumpToPeer(PeerStream* peer) {
  uint64_t bytes = 0;
  Relay* const relay = peer->relay;
  const Pumped result = Pump(&peer->client->stream, &peer->stream, &peer->client->ended, &relay->from_client, now_us_,
                             scratch_.get(), &bytes);
  relay->totals.from_client_bytes += bytes;
  relay->totals.to_peer_bytes += bytes;
  table_.counters().Add(kRelayReceivedBytes, bytes);
  sent_.Add(kSentBytes, bytes);
  if (result == Pumped::kFailed) return ClosePeer(peer, true);
  if (result == Pumped::kThrottled) has_throttled_ = true;
  FinishPipes(peer);
}

void RelayThread::PumpToClient(PeerStream* peer) {
  uint64_t bytes = 0;
  Relay* const relay = peer->relay;
  const Pumped result =
      Pump(&peer->stream, &peer->client->stream, &peer->ended, &relay->to_client, now_us_, scratch_.get(), &bytes);
  relay->totals.from_peer_bytes += bytes;
  relay->totals.to_client_bytes += bytes;
  table_.counters().Add(kRelayReceivedBytes, bytes);
  sent_.Add(kSentBytes, bytes);
  if (result == Pumped::kFailed) return ClosePeer(peer, true);
  if (result == Pumped::kThrottled) has_throttled_ = true;
  FinishPipes(peer);
}

void RelayThread::FinishPipes(PeerStream* peer) {
  ClientStream* const client = peer->client.get();
  if (client->ended && !peer->finished && peer->stream.waiting() == 0) {
    peer->finished = true;
    peer->stream.FinishSending();
  }
  if (peer->ended && !client->finished && client->stream.waiting() == 0) {
    client->finished = true;
    client->stream.FinishSending();
  }
  if (peer->finished && client->finished) return ClosePeer(peer, true);
  WatchPipes(peer);
}

void RelayThread::WatchPipes(PeerStream* peer) {
  ClientStream* const client = peer->client.get();
  const auto watch = [&](Watched* side, const RelayStream& from, const RelayStream& to, bool ended, bool finished,
                         TokenBucket* cap) {
    // Finished both ways it would be told of without end, and there is nothing more to be told.
    if (ended && finished) {
      Unwatch(side, from.fd());
      return true;
    }
    const bool throttled = cap->limited() && cap->Available(now_us_) == 0;
    const bool reads = !ended && !throttled && to.waiting() < kPipeBytes;
    return Watch(side, from.fd(), (reads ? uint32_t{EPOLLIN} : 0) | (from.wants_write() ? uint32_t{EPOLLOUT} : 0));
  };
  Relay* const relay = peer->relay;
  const bool watched =
      watch(client, client->stream, peer->stream, client->ended, client->finished, &relay->from_client) &&
      watch(peer, peer->stream, client->stream, peer->ended, peer->finished, &relay->to_client);
  if (!watched) ClosePeer(peer, true);
}

void RelayThread::ClosePeer(PeerStream* peer, bool tell) {
  const auto it = peers_.find(peer->incoming_id);
  if (it == peers_.end()) return;
  if (peer->has_connection) {
    connections_.erase(peer->connection);
    if (tell) TellPeer(RelayEventType::kPeerClosed, peer->connection);
  } else {
    --static_cast<Ports*>(peer->relay->resource.get())->tcp->waiting;
  }
  if (peer->client != nullptr) {
    limits_->Release(peer->client->key.path.remote);
    Bury(std::move(peer->client));
  }
  Bury(std::move(it->second));
  peers_.erase(it);
}

}  // namespace conclave
