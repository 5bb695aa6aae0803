#include "send_queue.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "socket_address.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace conclave {
namespace {

void SetSegment(msghdr* message, uint8_t* control, size_t control_length, uint16_t segment) {
  message->msg_control = control;
  message->msg_controllen = control_length;
  cmsghdr* header = CMSG_FIRSTHDR(message);
  header->cmsg_level = IPPROTO_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof segment);
  memcpy(CMSG_DATA(header), &segment, sizeof segment);
}

bool QueueIsFull(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS; }

// What kernels and devices answer when they cannot segment; anything else would befall a single datagram too.
bool CannotSegment(int error) {
  return error == EIO || error == EINVAL || error == EOPNOTSUPP || error == EMSGSIZE || error == ENOPROTOOPT;
}

// A sandbox's kernel may take the option and ignore it: then three bytes arrive as one datagram.
bool LoopbackSegments(int sender, int receiver, int family) {
  NetAddress loopback;
  loopback.family = family == AF_INET6 ? 6 : 4;
  if (family == AF_INET6) {
    loopback.bytes[15] = 1;
  } else {
    loopback.bytes[0] = 127;
    loopback.bytes[3] = 1;
  }
  sockaddr_storage address{};
  socklen_t length = ToSockaddr(loopback, &address);
  if (bind(receiver, reinterpret_cast<sockaddr*>(&address), length) != 0) return true;
  length = sizeof address;
  if (getsockname(receiver, reinterpret_cast<sockaddr*>(&address), &length) != 0) return true;

  uint8_t data[3] = {1, 2, 3};
  iovec part{data, sizeof data};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = {};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  SetSegment(&message, control, sizeof control, 2);
  if (sendmsg(sender, &message, 0) != sizeof data) return false;
  for (const ssize_t expected : {2, 1}) {
    constexpr int kPatienceMs = 200;
    pollfd ready{receiver, POLLIN, 0};
    uint8_t received[4];
    if (poll(&ready, 1, kPatienceMs) != 1) return false;
    if (recv(receiver, received, sizeof received, MSG_DONTWAIT) != expected) return false;
  }
  return true;
}

bool ProbeNow(int family) {
  const int sender = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int receiver = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int off = 0;
  const bool usable = sender >= 0 && receiver >= 0 &&
                      setsockopt(sender, IPPROTO_UDP, UDP_SEGMENT, &off, sizeof off) == 0 &&
                      LoopbackSegments(sender, receiver, family);
  if (sender >= 0) close(sender);
  if (receiver >= 0) close(receiver);
  return usable;
}

}  // namespace

bool ProbeSegmentation(int family) {
  static const bool in4 = ProbeNow(AF_INET);
  static const bool in6 = ProbeNow(AF_INET6);
  return family == AF_INET6 ? in6 : in4;
}

SendQueue::SendQueue(Counters* counters, PacketSending sending)
    : counters_(counters),
      messages_per_call_(sending == PacketSending::kSingle ? 1 : kMaxPackets),
      // Not value-initialised: what is never used takes no memory.
      bytes_(new uint8_t[kBytes]),
      buckets_(kBuckets),
      parts_(kMaxPackets),
      messages_(kMaxPackets),
      controls_(kMaxPackets) {
  packets_.reserve(kMaxPackets);
  flows_.reserve(kMaxPackets);
}

bool SendQueue::Full() const { return packets_.size() == kMaxPackets || used_bytes_ + kMaxOutgoing > kBytes; }

SendQueue::Flow* SendQueue::FlowOf(Socket* socket, const NetAddress& to) {
  // The descriptor stands for the socket, as its own id would.
  size_t at = PathHash()({static_cast<SocketId>(socket->fd), to}) % kBuckets;
  for (; buckets_[at].batch == batch_; at = (at + 1) % kBuckets) {
    Flow& flow = flows_[buckets_[at].flow];
    if (flow.remote == to && flow.socket == socket) return &flow;
  }
  const uint32_t index = static_cast<uint32_t>(flows_.size());
  buckets_[at] = {batch_, index};
  Flow& flow = flows_.emplace_back();
  flow.socket = socket;
  flow.remote = to;
  flow.next_flow = kNone;
  flow.first = kNone;
  flow.last = kNone;
  sockaddr_storage address;
  flow.to_length = ToSockaddr(to, &address);
  memcpy(&flow.to, &address, flow.to_length);
  if (socket->first_flow == kNone) {
    socket->first_flow = index;
    sockets_.push_back(socket);
  } else {
    flows_[socket->last_flow].next_flow = index;
  }
  socket->last_flow = index;
  return &flow;
}

void SendQueue::Add(Socket* socket, const NetAddress& to, size_t length) {
  Flow* flow = FlowOf(socket, to);
  const uint32_t index = static_cast<uint32_t>(packets_.size());
  packets_.push_back({static_cast<uint32_t>(used_bytes_), kNone, static_cast<uint16_t>(length)});
  if (flow->first == kNone) {
    flow->first = index;
  } else {
    packets_[flow->last].next = index;
  }
  flow->last = index;
  // Whole cache lines, so that ciphers write to aligned memory.
  constexpr size_t kLine = 64;
  used_bytes_ += (length + kLine - 1) / kLine * kLine;
}

void SendQueue::Flush() {
  for (Socket* socket : sockets_) {
    Send(socket);
    socket->first_flow = kNone;
    socket->last_flow = kNone;
  }
  sockets_.clear();
  packets_.clear();
  flows_.clear();
  used_bytes_ = 0;
  // After 2^32 batches old entries would count as new.
  if (++batch_ == 0) {
    buckets_.assign(kBuckets, {});
    batch_ = 1;
  }
}

void SendQueue::AddMessages(const Flow& flow, bool segmented) {
  for (uint32_t at = flow.first; at != kNone;) {
    const size_t segment = packets_[at].length;
    const size_t first_part = part_count_;
    size_t total = 0;
    size_t count = 0;
    bool is_last = !segmented || segment > kMaxSegment;
    do {
      const Packet& packet = packets_[at];
      parts_[part_count_++] = {&bytes_[packet.offset], packet.length};
      total += packet.length;
      ++count;
      // Only the last one may be shorter.
      is_last = is_last || packet.length < segment || count == kMaxSegments;
      at = packet.next;
    } while (!is_last && at != kNone && packets_[at].length <= segment && total + packets_[at].length <= kMaxMessage);

    mmsghdr& message = messages_[message_count_];
    message = {};
    message.msg_hdr.msg_name = const_cast<void*>(static_cast<const void*>(&flow.to));
    message.msg_hdr.msg_namelen = flow.to_length;
    message.msg_hdr.msg_iov = &parts_[first_part];
    message.msg_hdr.msg_iovlen = count;
    if (count > 1) {
      Control& control = controls_[message_count_];
      SetSegment(&message.msg_hdr, control.bytes, sizeof control.bytes, static_cast<uint16_t>(segment));
    }
    ++message_count_;
  }
}

void SendQueue::Send(Socket* socket) {
  part_count_ = 0;
  message_count_ = 0;
  for (uint32_t at = socket->first_flow; at != kNone; at = flows_[at].next_flow) {
    AddMessages(flows_[at], socket->offload.usable());
  }
  size_t begin = 0;
  bool again = false;
  while (begin < message_count_) {
    mmsghdr* messages = &messages_[begin];
    const size_t count = message_count_ - begin;
    const size_t tried = std::min(count, messages_per_call_);
    const int sent = sendmmsg(socket->fd, messages, static_cast<unsigned>(tried), MSG_DONTWAIT);
    if (sent > 0) {
      Sent(socket, messages, static_cast<size_t>(sent));
      begin += static_cast<size_t>(sent);
      again = false;
      continue;
    }
    if (errno == EINTR) continue;
    // Waiting would delay everyone else; late media is worthless.
    if (QueueIsFull(errno)) return DropFull(messages, count);
    const size_t packets = messages[0].msg_hdr.msg_iovlen;
    // It may be what came of an earlier datagram (IP_RECVERR), told by the next call and forgotten with that.
    again = !again && !CannotSegment(errno);
    if (again) continue;
    if (packets > 1 && CannotSegment(errno)) {
      socket->offload.Refused();
      counters_->Add(kRefusedSegmented);
      if (!SendSingly(socket, messages[0])) return DropFull(messages + 1, count - 1);
    } else {
      // The first message was refused (no route, wrong family, too long): the others may still go.
      counters_->Add(kDroppedSocketError, packets);
    }
    ++begin;
  }
}

void SendQueue::Sent(Socket* socket, const mmsghdr* messages, size_t count) {
  counters_->Add(kSentBatches);
  for (size_t i = 0; i < count; ++i) {
    const size_t packets = messages[i].msg_hdr.msg_iovlen;
    counters_->Add(kSentPackets, packets);
    counters_->Add(kSentBytes, messages[i].msg_len);
    if (packets == 1) continue;
    counters_->Add(kSentSegmentedMessages);
    counters_->Add(kSentSegmentedPackets, packets);
    socket->offload.Accepted();
  }
}

bool SendQueue::SendSingly(Socket* socket, const mmsghdr& refused) {
  mmsghdr messages[kMaxSegments];
  const size_t total = refused.msg_hdr.msg_iovlen;
  for (size_t i = 0; i < total; ++i) {
    messages[i] = {};
    messages[i].msg_hdr.msg_name = refused.msg_hdr.msg_name;
    messages[i].msg_hdr.msg_namelen = refused.msg_hdr.msg_namelen;
    messages[i].msg_hdr.msg_iov = refused.msg_hdr.msg_iov + i;
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  size_t begin = 0;
  while (begin < total) {
    const int sent = sendmmsg(socket->fd, messages + begin, static_cast<unsigned>(total - begin), MSG_DONTWAIT);
    if (sent > 0) {
      Sent(socket, messages + begin, static_cast<size_t>(sent));
      begin += static_cast<size_t>(sent);
    } else if (QueueIsFull(errno)) {
      DropFull(messages + begin, total - begin);
      return false;
    } else if (errno != EINTR) {
      counters_->Add(kDroppedSocketError);
      ++begin;
    }
  }
  return true;
}

void SendQueue::DropFull(const mmsghdr* messages, size_t count) {
  for (size_t i = 0; i < count; ++i) counters_->Add(kDroppedQueueFull, messages[i].msg_hdr.msg_iovlen);
}

}  // namespace conclave
