// The clients' side of a relay thread: TCP and TLS connections, DTLS sessions, and what is sent to clients.
#include <errno.h>
#include <netinet/tcp.h>

#include <algorithm>

#include "relay_thread.h"
#include "socket_address.h"

namespace conclave {
namespace {

constexpr int kAcceptsPerTurn = 64;
// Rest after accepting failed for want of descriptors or memory.
constexpr int64_t kAcceptPauseUs = 100'000;
constexpr int kReadsPerTurn = 4;
constexpr size_t kReadBytes = 16384;

}  // namespace

void RelayThread::Accept(Listener* listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    UniqueFd fd(accept4(listener->fd.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.get() < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        table_.counters().Add(kRelayDroppedConnectionLimit);
        // Level-triggered: watched on, the listener would keep the loop spinning while descriptors are short.
        Watch(listener, listener->fd.get(), 0);
        accept_paused_until_us_ = now_us_ + kAcceptPauseUs;
      }
      return;
    }
    const NetAddress remote = FromSockaddr(from);
    if (!limits_->Admit(remote)) {
      table_.counters().Add(kRelayDroppedConnectionLimit);
      continue;
    }
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // Else the kernel would hold megabytes of stale media for a slow reader.
    const int kernel_queue = static_cast<int>(std::clamp<size_t>(options_.stream_queue_bytes, 16384, 1 << 20));
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kernel_queue, sizeof kernel_queue);
    const bool is_tls = listener->transport == RelayTransport::kTls;
    auto client = std::make_unique<ClientStream>(std::move(fd), is_tls ? contexts_->stream.get() : nullptr);
    client->key.transport = listener->transport;
    client->key.path = {NextId(), remote};
    client->key.local = listener->local;
    client->opened_us = client->last_message_us = now_us_;
    if (!client->stream.ok() || !Watch(client.get(), client->stream.fd(), EPOLLIN)) {
      limits_->Release(remote);
      continue;
    }
    clients_[client->key.path.socket] = std::move(client);
  }
}

void RelayThread::WatchClient(ClientStream* client) {
  const bool reads = !client->held;
  const uint32_t events = (reads ? uint32_t{EPOLLIN} : 0) | (client->stream.wants_write() ? uint32_t{EPOLLOUT} : 0);
  Watch(client, client->stream.fd(), events);
}

void RelayThread::OnClient(ClientStream* client, uint32_t ready) {
  if (client->joined != nullptr) {
    PeerStream* const peer = client->joined;
    if ((ready & EPOLLERR) != 0 || ((ready & EPOLLOUT) != 0 && !client->stream.Flush())) return ClosePeer(peer, true);
    PumpToClient(peer);
    if (!peer->dead) PumpToPeer(peer);
    return;
  }
  bool open = true;
  if (client->stream.handshaking()) {
    const RelayStream::Progress progress = client->stream.Handshake();
    if (progress == RelayStream::Progress::kOpen) table_.counters().Add(kRelayHandshakes);
    open = progress != RelayStream::Progress::kClosed;
  }
  if (open && !client->stream.handshaking()) {
    if ((ready & EPOLLOUT) != 0) open = client->stream.Flush();
    if (open && !client->held) open = ReadClient(client);
    // While it is held nothing is read, and only this tells of its end.
    if (open && client->held && (ready & (EPOLLHUP | EPOLLERR)) != 0) open = false;
  }
  if (!open) return CloseStream(client, true);
  WatchClient(client);
}

bool RelayThread::ReadClient(ClientStream* client) {
  for (int turn = 0; (turn < kReadsPerTurn || client->stream.HasPending()) && !client->held; ++turn) {
    const size_t before = client->pending.size();
    std::copy(client->pending.begin(), client->pending.end(), scratch_.get());
    size_t got = 0;
    bool end = false;
    const RelayStream::Progress progress = client->stream.Read(scratch_.get() + before, kReadBytes, &got, &end);
    if (progress == RelayStream::Progress::kClosed) return false;
    if (got == 0) return true;
    if (!TakeMessages(client, scratch_.get(), before + got)) return false;
  }
  return true;
}

bool RelayThread::TakeMessages(ClientStream* client, const uint8_t* data, size_t length) {
  size_t at = 0;
  while (at < length && !client->held) {
    if (client->skip > 0) {
      const size_t skipped = std::min(client->skip, length - at);
      client->skip -= skipped;
      at += skipped;
      continue;
    }
    size_t size = 0;
    size_t padded = 0;
    const FrameKind kind = NextFrame(data + at, length - at, &size, &padded);
    if (kind == FrameKind::kBad) {
      table_.counters().Add(kRelayDroppedMalformed);
      return false;
    }
    if (kind == FrameKind::kNone) break;
    if (size > kMaxDatagram) {
      table_.counters().Add(kRelayDroppedOversize);
      client->skip = padded;
      continue;
    }
    if (length - at < padded) break;
    client->heard = true;
    client->last_message_us = now_us_;
    client->held = LooksLikeStun(data[at]) && StunType(data + at) == kConnectionBindRequest;
    table_.FromClient(now_us_, client->key, data + at, size);
    at += padded;
  }
  // What is left is part of a message, hence short, or it is the peer's and short as one reading.
  client->pending = std::vector<uint8_t>(data + at, data + length);
  return true;
}

void RelayThread::FlushDirty() {
  // Closing changes nothing here: it only marks.
  for (size_t i = 0; i < dirty_.size(); ++i) {
    ClientStream* const client = dirty_[i];
    client->dirty = false;
    if (client->dead) continue;
    if (client->joined != nullptr) {
      PumpToClient(client->joined);
    } else if (!client->stream.Flush()) {
      CloseStream(client, true);
    } else {
      WatchClient(client);
    }
  }
  dirty_.clear();
}

void RelayThread::CloseStream(ClientStream* client, bool tell) {
  const auto it = clients_.find(client->key.path.socket);
  if (it == clients_.end()) return;
  limits_->Release(client->key.path.remote);
  if (client->stream.handshaking()) table_.counters().Add(kRelayHandshakesFailed);
  if (tell && client->heard) {
    EventRecord record = NewRelayRecord(RelayEventType::kClientClosed);
    AppendClient(&record, client->key);
    EmitRelay(&record, false);
  }
  Bury(std::move(it->second));
  clients_.erase(it);
}

void RelayThread::ExpireConnections() {
  const auto expired = [&](int64_t opened_us, int64_t last_us, bool heard, const PathKey& path) {
    if (!heard) return now_us_ - opened_us > options_.handshake_timeout_us;
    return now_us_ - last_us > options_.idle_timeout_us && !table_.HasRelay(path);
  };
  std::vector<ClientStream*> streams;
  for (const auto& [id, client] : clients_) {
    if (expired(client->opened_us, client->last_message_us, client->heard, client->key.path)) streams.push_back(client.get());
  }
  for (ClientStream* client : streams) {
    if (!client->heard) table_.counters().Add(kRelayDroppedHandshakeTimeout);
    CloseStream(client, true);
  }
  for (const auto& [id, client] : dtls_clients_) {
    if (client->dead || !expired(client->opened_us, client->last_message_us, client->heard, {id, client->remote})) continue;
    if (!client->heard) table_.counters().Add(kRelayDroppedHandshakeTimeout);
    client->server->Close(client);
  }
  std::vector<PeerStream*> peers;
  constexpr int64_t kPeerTimeoutUs = 30'000'000;
  for (const auto& [id, peer] : peers_) {
    const bool undecided = peer->connecting || !peer->has_connection;
    if (undecided && now_us_ - peer->opened_us > kPeerTimeoutUs) peers.push_back(peer.get());
  }
  for (PeerStream* peer : peers) ClosePeer(peer, true);
}

// What is sent to clients.

bool RelayThread::QueueToClient(const RelayClientKey& key, const uint8_t* data, size_t length, bool media) {
  const auto it = clients_.find(key.path.socket);
  if (it == clients_.end()) {
    table_.counters().Add(kRelayDroppedNoClient);
    return false;
  }
  ClientStream* const client = it->second.get();
  const size_t waiting = client->stream.waiting() + length;
  if (waiting > options_.stream_queue_bytes) {
    if (media) {
      table_.counters().Add(kRelayDroppedQueueFull);
      return false;
    }
    // Twice the bound of messages unread: the client is gone.
    if (waiting > 2 * options_.stream_queue_bytes) {
      CloseStream(client, true);
      return false;
    }
  }
  client->stream.Queue(data, length);
  if (!client->dirty) {
    client->dirty = true;
    dirty_.push_back(client);
  }
  sent_.Add(kSentPackets);
  sent_.Add(kSentBytes, length);
  return true;
}

bool RelayThread::SendToClient(const RelayClient& client, size_t length) {
  const RelayClientKey& key = client.key;
  switch (key.transport) {
    case RelayTransport::kUdp: {
      const auto it = udp_by_id_.find(key.path.socket);
      if (it == udp_by_id_.end()) break;
      out_.Add(&it->second->out, key.path.remote, length);
      return true;
    }
    case RelayTransport::kDtls: {
      DtlsClient* const session = FindDtls(key);
      if (session == nullptr) break;
      return session->server->Send(session, out_.Reserve(), length);
    }
    default: return QueueToClient(key, out_.Reserve(), length, true);
  }
  table_.counters().Add(kRelayDroppedNoClient);
  return false;
}

void RelayThread::Send(const RelayClientKey& key, const uint8_t* data, size_t length) {
  switch (key.transport) {
    case RelayTransport::kUdp: {
      const auto it = udp_by_id_.find(key.path.socket);
      if (it == udp_by_id_.end()) return table_.counters().Add(kRelayDroppedNoClient);
      uint8_t* const out = Reserve();
      std::copy(data, data + length, out);
      return out_.Add(&it->second->out, key.path.remote, length);
    }
    case RelayTransport::kDtls: {
      DtlsClient* const session = FindDtls(key);
      if (session == nullptr) return table_.counters().Add(kRelayDroppedNoClient);
      session->server->Send(session, data, length);
      return;
    }
    default: break;
  }
  if (!QueueToClient(key, data, length, false)) return;
  const auto it = clients_.find(key.path.socket);
  ClientStream* const client = it->second.get();
  if (!client->held || length < 2 || StunType(data) != kConnectionBindError) return;
  // The bind was refused: what follows it are messages again.
  client->held = false;
  const std::vector<uint8_t> rest = std::move(client->pending);
  client->pending.clear();
  if (!TakeMessages(client, rest.data(), rest.size()) || !ReadClient(client)) return CloseStream(client, true);
  WatchClient(client);
}

void RelayThread::CloseClient(const RelayClientKey& key) {
  const auto it = clients_.find(key.path.socket);
  if (it != clients_.end()) {
    it->second->stream.Flush();
    return CloseStream(it->second.get(), false);
  }
  DtlsClient* const session = FindDtls(key);
  if (session == nullptr) return;
  session->heard = false;
  session->server->Close(session);
}

bool RelayThread::IsThere(const RelayClientKey& key) {
  if (key.transport == RelayTransport::kUdp) return udp_by_id_.count(key.path.socket) != 0;
  return key.transport == RelayTransport::kDtls ? FindDtls(key) != nullptr : clients_.count(key.path.socket) != 0;
}

DtlsClient* RelayThread::FindDtls(const RelayClientKey& key) {
  const auto it = dtls_clients_.find(key.path.socket);
  return it == dtls_clients_.end() || it->second->dead ? nullptr : it->second;
}

// Of DTLS.

void RelayThread::SendDatagram(DtlsServer* server, const NetAddress& to, const uint8_t* data, size_t length) {
  for (const auto& socket : udp_) {
    if (socket->dtls.get() != server || length > kMaxOutgoing) continue;
    uint8_t* const out = Reserve();
    std::copy(data, data + length, out);
    return out_.Add(&socket->out, to, length);
  }
}

bool RelayThread::AdmitSession(DtlsClient* client) {
  if (!limits_->Admit(client->remote)) {
    table_.counters().Add(kRelayDroppedConnectionLimit);
    return false;
  }
  client->id = NextId();
  dtls_clients_[client->id] = client;
  return true;
}

void RelayThread::OnDtlsConnected(const DtlsClient&) { table_.counters().Add(kRelayHandshakes); }

void RelayThread::OnDtlsMessage(const DtlsClient& client, const uint8_t* data, size_t length) {
  if (length > kMaxDatagram) return table_.counters().Add(kRelayDroppedOversize);
  RelayClientKey key;
  key.transport = RelayTransport::kDtls;
  key.path = {client.id, client.remote};
  for (const auto& socket : udp_) {
    if (socket->dtls.get() == client.server) key.local = socket->local;
  }
  table_.FromClient(now_us_, key, data, length);
}

void RelayThread::OnDtlsClosed(const DtlsClient& client) {
  limits_->Release(client.remote);
  dtls_clients_.erase(client.id);
  if (!client.connected) table_.counters().Add(kRelayHandshakesFailed);
  if (!client.heard) return;
  EventRecord record = NewRelayRecord(RelayEventType::kClientClosed);
  RelayClientKey key;
  key.transport = RelayTransport::kDtls;
  key.path = {client.id, client.remote};
  for (const auto& socket : udp_) {
    if (socket->dtls.get() == client.server) key.local = socket->local;
  }
  AppendClient(&record, key);
  EmitRelay(&record, false);
}

}  // namespace conclave
