// Datagrams that wait to leave over UDP, and how they leave: in one sendmmsg, those of one receiver together in as few
// messages as the kernel's segmentation offload (UDP_SEGMENT) takes. What a message costs is paid once for its packets.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "counters.h"
#include "types.h"

namespace conclave {

// How packets are handed to the kernel: runs to one receiver as one message, where it can do that, and all in one system
// call; each as a message; each by a system call.
enum class PacketSending : uint8_t { kSegmented = 0, kBatched = 1, kSingle = 2 };

// Whether runs of datagrams are handed to a socket as one message. Begins with what the kernel said when it was asked,
// and ends when messages keep being refused: by a device that cannot do checksums, or a filter in between.
class SegmentationOffload {
 public:
  explicit SegmentationOffload(bool usable = false) : usable_(usable) {}
  bool usable() const { return usable_; }
  void Accepted() {
    if (refusals_ > 0) --refusals_;
  }
  // One refusal says little: it may be the route to a single receiver. It weighs as much as `kWeight` successes.
  void Refused() {
    refusals_ += kWeight;
    if (refusals_ >= kBound) usable_ = false;
  }

 private:
  static constexpr int kWeight = 4;
  // Lower: a few odd routes end it for everybody; higher: more useless system calls where it never works.
  static constexpr int kBound = 64;
  bool usable_;
  int refusals_ = 0;
};

// Whether the kernel segments datagrams of this family (AF_INET, AF_INET6): it knows the option and two datagrams that
// were sent as one over the loopback interface arrived as two. Asked once per process. Without a loopback address of
// the family the option alone counts.
bool ProbeSegmentation(int family);

class SendQueue {
 public:
  // Packets that wait at most. Lower: fewer packets per receiver in a message; higher: the first waits longer, and more
  // memory. A burst of four packets to 250 receivers fits.
  static constexpr size_t kMaxPackets = 1024;

  // A bound UDP socket. Stays where it is as long as packets wait for it.
  struct Socket {
    int fd = -1;
    SegmentationOffload offload;
    // Of the queue: receivers that packets wait for, in the order of their first packet.
    uint32_t first_flow = kNone;
    uint32_t last_flow = kNone;
  };

  explicit SendQueue(Counters* counters, PacketSending sending = PacketSending::kSegmented);

  bool Full() const;
  // Room for one datagram of kMaxOutgoing bytes; not when Full. Valid until Add or Flush.
  uint8_t* Reserve() { return &bytes_[used_bytes_]; }
  // Takes what was written there.
  void Add(Socket* socket, const NetAddress& to, size_t length);
  // Sends everything that waits. Packets of one socket to one address leave in the order in which they were added, those
  // to different ones in any. What the kernel does not take is dropped and counted.
  void Flush();

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  // Where packets are laid one after the other: kMaxPackets of the usual size, fewer of the largest.
  static constexpr size_t kBytes = kMaxPackets * 1280;
  static constexpr size_t kBuckets = 2 * kMaxPackets;
  // The kernel's bound since UDP_SEGMENT exists; newer ones take 128.
  static constexpr size_t kMaxSegments = 64;
  // A message with headers is an IP packet to the kernel: 65520 bytes with IPv4's.
  static constexpr size_t kMaxMessage = 65492;
  // Longer ones do not fit an Ethernet frame: alone they are fragmented, in a message they would be refused.
  static constexpr size_t kMaxSegment = 1452;

  struct Packet {
    uint32_t offset;
    uint32_t next;
    uint16_t length;
  };
  // Those that wait for one receiver.
  struct Flow {
    Socket* socket;
    NetAddress remote;
    uint32_t next_flow;
    uint32_t first;
    uint32_t last;
    socklen_t to_length;
    union {
      sockaddr_in in;
      sockaddr_in6 in6;
    } to;
  };
  struct Bucket {
    uint32_t batch = 0;
    uint32_t flow = 0;
  };
  struct Control {
    alignas(cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
  };

  Flow* FlowOf(Socket* socket, const NetAddress& to);
  void Send(Socket* socket);
  void AddMessages(const Flow& flow, bool segmented);
  void Sent(Socket* socket, const mmsghdr* messages, size_t count);
  // Sends the packets of a refused message one by one. False when the socket's queue is full.
  bool SendSingly(Socket* socket, const mmsghdr& refused);
  void DropFull(const mmsghdr* messages, size_t count);

  Counters* counters_;
  const size_t messages_per_call_;
  std::unique_ptr<uint8_t[]> bytes_;
  size_t used_bytes_ = 0;
  std::vector<Packet> packets_;
  std::vector<Flow> flows_;
  std::vector<Socket*> sockets_;
  // By address, open-addressed; an entry of an earlier batch counts as empty.
  std::vector<Bucket> buckets_;
  uint32_t batch_ = 1;
  size_t part_count_ = 0;
  size_t message_count_ = 0;
  std::vector<iovec> parts_;
  std::vector<mmsghdr> messages_;
  std::vector<Control> controls_;
};

}  // namespace conclave
