// The UDP sockets of a relay thread: reading them, ICMP errors, and the ports of relays.
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <time.h>

// Uses what <time.h> defines.
#include <linux/errqueue.h>

#include "relay_thread.h"
#include "socket_address.h"

namespace conclave {
namespace {

// Batches read from one UDP socket before others get their turn.
constexpr int kBatchesPerTurn = 4;
constexpr int kErrorsPerTurn = 16;

struct IcmpError {
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t info = 0;
};

// False for what is not told to clients (RFC 8656 11.5).
bool ReadIcmp(const sock_extended_err& error, uint8_t family, IcmpError* out) {
  const bool too_big_here = error.ee_origin == SO_EE_ORIGIN_LOCAL && error.ee_errno == EMSGSIZE;
  if (family == 6) {
    if (too_big_here) {
      *out = {ICMP6_PACKET_TOO_BIG, 0, error.ee_info};
      return true;
    }
    if (error.ee_origin != SO_EE_ORIGIN_ICMP6 || error.ee_type < ICMP6_DST_UNREACH || error.ee_type > ICMP6_TIME_EXCEEDED) {
      return false;
    }
    *out = {error.ee_type, error.ee_code, error.ee_type == ICMP6_PACKET_TOO_BIG ? error.ee_info : 0};
    return true;
  }
  if (too_big_here) {
    *out = {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, error.ee_info};
    return true;
  }
  if (error.ee_origin != SO_EE_ORIGIN_ICMP || (error.ee_type != ICMP_DEST_UNREACH && error.ee_type != ICMP_TIME_EXCEEDED)) {
    return false;
  }
  const bool too_big = error.ee_type == ICMP_DEST_UNREACH && error.ee_code == ICMP_FRAG_NEEDED;
  *out = {error.ee_type, error.ee_code, too_big ? error.ee_info : 0};
  return true;
}

}  // namespace

template <typename F>
void RelayThread::ReadDatagrams(UdpSocket* socket, F take) {
  ReceiveBatch& in = *in_;
  for (int turn = 0; turn < kBatchesPerTurn; ++turn) {
    const int wanted = socket->reads_one ? 1 : static_cast<int>(kBatch);
    const int got = recvmmsg(socket->fd.get(), in.messages, static_cast<unsigned>(wanted), MSG_DONTWAIT, nullptr);
    for (int i = 0; i < got; ++i) {
      const bool is_cut = (in.messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
      in.messages[i].msg_hdr.msg_namelen = sizeof in.from[i];
      in.messages[i].msg_hdr.msg_flags = 0;
      if (is_cut) {
        table_.counters().Add(kRelayDroppedOversize);
      } else {
        take(FromSockaddr(in.from[i]), in.data[i], in.messages[i].msg_len);
      }
    }
    // After one alone the loop comes back if there are more, and then takes a batch.
    socket->reads_one = wanted > 1 && got == 1;
    if (got < static_cast<int>(kBatch)) return;
  }
}

void RelayThread::OnUdp(UdpSocket* socket, uint32_t ready) {
  if ((ready & EPOLLERR) != 0) ReadErrors(socket);
  if ((ready & EPOLLIN) == 0) return;
  switch (socket->kind) {
    case Kind::kUdp: {
      RelayClientKey key;
      key.path.socket = socket->id;
      key.local = socket->local;
      return ReadDatagrams(socket, [&](const NetAddress& from, const uint8_t* data, size_t length) {
        key.path.remote = from;
        table_.FromClient(now_us_, key, data, length);
      });
    }
    case Kind::kDtls:
      return ReadDatagrams(socket, [&](const NetAddress& from, const uint8_t* data, size_t length) {
        socket->dtls->Receive(now_us_, from, data, length);
      });
    case Kind::kShared:
      return ReadDatagrams(socket, [&](const NetAddress& from, const uint8_t* data, size_t length) {
        table_.FromSharedPeer(now_us_, from, data, length);
      });
    default:
      return ReadDatagrams(socket, [&](const NetAddress& from, const uint8_t* data, size_t length) {
        table_.FromPeer(now_us_, socket->relay, from, data, length);
      });
  }
}

void RelayThread::ReadErrors(UdpSocket* socket) {
  for (int i = 0; i < kErrorsPerTurn; ++i) {
    sockaddr_storage to{};
    alignas(cmsghdr) uint8_t control[256];
    uint8_t data[64];
    iovec part{data, sizeof data};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(socket->fd.get(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    if (socket->relay == nullptr) continue;
    const NetAddress peer = FromSockaddr(to);
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      const bool is_error = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
      if (!is_error) continue;
      sock_extended_err error;
      memcpy(&error, CMSG_DATA(c), sizeof error);
      IcmpError icmp;
      if (!ReadIcmp(error, peer.family, &icmp) || !socket->relay->Permits(WithoutPort(peer))) continue;
      if (!icmp_.Admit(socket->relay->id, now_us_)) continue;
      EventRecord record = NewRelayRecord(RelayEventType::kIcmp);
      record.U32(socket->relay->id).Path({0, peer}).U8(icmp.type).U8(icmp.code).U32(icmp.info);
      EmitRelay(&record, false);
    }
  }
}

uint8_t* RelayThread::Reserve() {
  if (out_.Full()) out_.Flush();
  return out_.Reserve();
}

bool RelayThread::SendToPeer(Relay* relay, const NetAddress& peer, size_t length, bool dont_fragment, bool own_port) {
  auto* const ports = static_cast<Ports*>(relay->resource.get());
  UdpSocket* socket = ports->udp.get();
  if (relay->shared) socket = own_port ? OwnPort(relay, ports) : shared_[peer.family == 6];
  if (socket == nullptr) {
    table_.counters().Add(kRelayDroppedSocketError);
    return false;
  }
  // The queue is for runs of ordinary datagrams.
  if (dont_fragment || length == 0) return SendUnfragmented(socket, peer, length);
  out_.Add(&socket->out, peer, length);
  return true;
}

bool RelayThread::SendUnfragmented(UdpSocket* socket, const NetAddress& peer, size_t length) {
  sockaddr_storage to{};
  const socklen_t to_length = ToSockaddr(peer, &to);
  SetDontFragment(socket->fd.get(), peer.family, true);
  const ssize_t n = sendto(socket->fd.get(), out_.Reserve(), length, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to), to_length);
  SetDontFragment(socket->fd.get(), peer.family, false);
  if (n < 0) {
    table_.counters().Add(kRelayDroppedSocketError);
    return false;
  }
  sent_.Add(kSentPackets);
  sent_.Add(kSentBytes, length);
  return true;
}

std::unique_ptr<RelayThread::UdpSocket> RelayThread::WatchRelayPort(RelayPortLease lease, Relay* relay) {
  auto socket = std::make_unique<UdpSocket>(Kind::kRelay);
  const int fd = lease.fd.get();
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options_.relay_buffer_bytes);
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options_.relay_buffer_bytes);
  socket->fd = std::move(lease.fd);
  socket->local = lease.address;
  socket->pool = pool_.get();
  socket->relay = relay;
  socket->out.fd = fd;
  socket->out.offload = SegmentationOffload(options_.segmentation_offload && ProbeSegmentation(lease.address.family == 6 ? AF_INET6 : AF_INET));
  if (!Watch(socket.get(), fd, EPOLLIN)) return nullptr;
  return socket;
}

RelayThread::UdpSocket* RelayThread::OwnPort(Relay* relay, Ports* ports) {
  if (ports->own != nullptr) return ports->own.get();
  RelayPortLease lease;
  if (!pool_->Open(relay->address.family, false, false, nullptr, &lease)) {
    NetAddress any = relay->address;
    any.port = 0;
    lease.fd = BindRelaySocket(any, false, &lease.address);
    if (lease.fd.get() < 0) return nullptr;
  }
  relay->own_port = lease.address;
  ports->own = WatchRelayPort(std::move(lease), relay);
  relay->has_own_port = ports->own != nullptr;
  return ports->own.get();
}

const char* RelayThread::OpenPort(const RelayRequest& request, RelayPortLease* lease) {
  if (pool_->RangeOf(request.family) == nullptr) return "no-address";
  if (request.reserved) return pool_->TakeHeld(request.id, lease) ? nullptr : "no-port";
  const RelayId* const held = request.reserves_next ? &request.next_id : nullptr;
  return pool_->Open(request.family, request.tcp, request.even_port, held, lease) ? nullptr : "no-port";
}

void RelayThread::OpenRelay(const RelayRequest& request) {
  if (table_.Find(request.id) != nullptr) return;
  const UdpSocket* const shared = shared_[request.family == 6];
  const bool has_wishes = request.tcp || request.even_port || request.reserves_next || request.reserved;
  const bool is_shared = shared != nullptr && !has_wishes;
  RelayPortLease lease;
  const char* failure = table_.MayAdd(request) && IsThere(request.client) ? nullptr : "no-client";
  if (failure == nullptr && !is_shared) failure = OpenPort(request, &lease);
  auto ports = std::make_unique<Ports>();
  if (failure == nullptr) {
    const NetAddress address = is_shared ? shared->local : lease.address;
    Relay* const relay = table_.AddRelay(request, address, is_shared);
    if (!is_shared && request.tcp) {
      ports->tcp = std::make_unique<TcpRelayPort>();
      ports->tcp->local = address;
      ports->tcp->pool = pool_.get();
      ports->tcp->relay = relay;
      ports->tcp->fd = std::move(lease.fd);
      Watch(ports->tcp.get(), ports->tcp->fd.get(), EPOLLIN);
    } else if (!is_shared) {
      ports->udp = WatchRelayPort(std::move(lease), relay);
    }
    relay->resource = std::move(ports);
    EventRecord record = NewRelayRecord(RelayEventType::kRelayOpened);
    record.U32(request.id).Path({0, address});
    return EmitRelay(&record, false);
  }
  if (request.reserved) pool_->DropHeld(request.id);
  EventRecord record = NewRelayRecord(RelayEventType::kRelayFailed);
  record.U32(request.id).Bytes(reinterpret_cast<const uint8_t*>(failure), strlen(failure));
  EmitRelay(&record, false);
}

void RelayThread::CloseRelay(RelayId id) {
  Relay* const relay = table_.Find(id);
  if (relay == nullptr) return pool_->DropHeld(id);
  std::vector<PeerStream*> of_relay;
  for (const auto& [peer_id, peer] : peers_) {
    if (peer->relay == relay) of_relay.push_back(peer.get());
  }
  for (PeerStream* peer : of_relay) ClosePeer(peer, false);
  auto* const ports = static_cast<Ports*>(relay->resource.get());
  Bury(std::move(ports->udp));
  Bury(std::move(ports->own));
  Bury(std::move(ports->tcp));
  table_.RemoveRelay(relay);
}

}  // namespace conclave
