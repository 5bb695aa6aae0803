#include "load_generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace bench {
namespace {

constexpr int kBufferBytes = 2 << 20;
constexpr size_t kBatch = 64;
constexpr size_t kMaxDatagram = 2048;
constexpr int kMaxFramePackets = 64;
// In every payload, behind room for a codec's header: these bytes, then the time of sending.
constexpr size_t kMarkAt = 16;
constexpr uint8_t kMark[8] = {'c', 'o', 'n', 'c', 'l', 'a', 'v', 'e'};
// A key frame comes once for so many frames: about once a second.
constexpr uint64_t kKeyFrameEvery = 30;
constexpr int64_t kTickUs = 1000;

int64_t Clock(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void WriteU16(uint8_t* p, uint32_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}

void WriteU32(uint8_t* p, uint32_t v) {
  WriteU16(p, v >> 16);
  WriteU16(p + 2, v);
}

void SetBuffer(int fd, int forced, int option) {
  if (setsockopt(fd, SOL_SOCKET, forced, &kBufferBytes, sizeof kBufferBytes) != 0) {
    setsockopt(fd, SOL_SOCKET, option, &kBufferBytes, sizeof kBufferBytes);
  }
}

// One-byte header extensions (RFC 8285 4.2), one after the other.
class ElementWriter {
 public:
  explicit ElementWriter(uint8_t* at) : begin_(at), at_(at) {}
  uint8_t* Add(uint8_t id, size_t length) {
    *at_++ = static_cast<uint8_t>(id << 4 | (length - 1));
    at_ += length;
    return at_ - length;
  }
  // Fills up to whole words and returns the length.
  size_t Finish() {
    while ((at_ - begin_) % 4 != 0) *at_++ = 0;
    return static_cast<size_t>(at_ - begin_);
  }

 private:
  uint8_t* begin_;
  uint8_t* at_;
};

}  // namespace

LoadGenerator::LoadGenerator(std::function<void()> wake)
    : wake_(std::move(wake)), epoll_(epoll_create1(EPOLL_CLOEXEC)), latencies_(kLatencyBuckets + 1) {
  thread_ = std::thread([this] { Loop(); });
}

LoadGenerator::~LoadGenerator() {
  stop_.store(true);
  thread_.join();
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.fd >= 0) close(endpoint.fd);
  }
  close(epoll_);
}

int LoadGenerator::Open(uint32_t local, uint16_t* port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(local);
  socklen_t length = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    close(fd);
    return -1;
  }
  *port = ntohs(address.sin_port);
  std::lock_guard<std::mutex> lock(mutex_);
  endpoints_.emplace_back();
  endpoints_.back().fd = fd;
  const uint32_t index = static_cast<uint32_t>(endpoints_.size() - 1);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = index;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  return static_cast<int>(index);
}

void LoadGenerator::Close(uint32_t index) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (index >= endpoints_.size() || endpoints_[index].fd < 0) return;
  for (Stream& stream : streams_) {
    if (stream.endpoint == index) stream.running = false;
  }
  close(endpoints_[index].fd);
  endpoints_[index] = Endpoint();
}

void LoadGenerator::Send(uint32_t index, const sockaddr_in& to, const uint8_t* data, size_t length) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (index >= endpoints_.size() || endpoints_[index].fd < 0) return;
  [[maybe_unused]] const ssize_t n =
      sendto(endpoints_[index].fd, data, length, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

void LoadGenerator::SetServer(uint32_t index, const sockaddr_in& server) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (index < endpoints_.size()) endpoints_[index].server = server;
}

bool LoadGenerator::SetKeys(uint32_t index, const conclave::SrtpKeyMaterial& send, const conclave::SrtpKeyMaterial& receive) {
  constexpr size_t kMaxSsrcs = 64;
  std::lock_guard<std::mutex> lock(mutex_);
  if (index >= endpoints_.size()) return false;
  endpoints_[index].sender = conclave::SrtpSender::Create(send);
  endpoints_[index].receiver = conclave::SrtpReceiver::Create(receive, kMaxSsrcs);
  return endpoints_[index].sender != nullptr && endpoints_[index].receiver != nullptr;
}

uint32_t LoadGenerator::AddStream(uint32_t endpoint, const StreamShape& shape) {
  std::lock_guard<std::mutex> lock(mutex_);
  Stream stream;
  stream.endpoint = endpoint;
  stream.shape = shape;
  stream.shape.packets = std::clamp(shape.packets, 1, kMaxFramePackets);
  stream.sequence = static_cast<uint16_t>(random_() & 0x3fff);
  stream.timestamp = random_();
  streams_.push_back(std::move(stream));
  return static_cast<uint32_t>(streams_.size() - 1);
}

void LoadGenerator::Run(const std::vector<uint32_t>& running, double speed) {
  std::lock_guard<std::mutex> lock(mutex_);
  const int64_t now_us = Clock(CLOCK_MONOTONIC) / 1000;
  for (Stream& stream : streams_) stream.running = false;
  for (const uint32_t index : running) {
    if (index >= streams_.size()) continue;
    Stream& stream = streams_[index];
    stream.running = true;
    stream.speed = speed;
    // People's cameras are not in step.
    stream.next_us = now_us + static_cast<int64_t>(random_() % static_cast<uint64_t>(stream.shape.interval_us));
  }
  any_running_ = !running.empty();
}

std::vector<uint8_t> LoadGenerator::Drain() {
  std::vector<uint8_t> taken;
  std::lock_guard<std::mutex> lock(mutex_);
  taken.swap(control_);
  return taken;
}

Stats LoadGenerator::Read() {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t total = 0;
  for (const uint32_t count : latencies_) total += count;
  const auto percentile = [&](double share) {
    const uint64_t wanted = static_cast<uint64_t>(share * static_cast<double>(total));
    uint64_t seen = 0;
    for (size_t us = 0; us < latencies_.size(); ++us) {
      seen += latencies_[us];
      if (seen > wanted) return static_cast<double>(us);
    }
    return 0.0;
  };
  stats_.p50_us = percentile(0.5);
  stats_.p99_us = percentile(0.99);
  stats_.p999_us = percentile(0.999);
  std::fill(latencies_.begin(), latencies_.end(), 0);
  return stats_;
}

std::vector<double> LoadGenerator::SentByStream() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<double> sent;
  for (const Stream& stream : streams_) sent.push_back(static_cast<double>(stream.sent));
  return sent;
}

std::vector<double> LoadGenerator::ReceivedByEndpoint() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<double> received;
  for (const Endpoint& endpoint : endpoints_) received.push_back(static_cast<double>(endpoint.received));
  return received;
}

void LoadGenerator::Loop() {
  int64_t next_us = Clock(CLOCK_MONOTONIC) / 1000;
  while (!stop_.load()) {
    bool running;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      running = any_running_;
      bool has_control = !control_.empty();
      const int64_t now_us = Clock(CLOCK_MONOTONIC) / 1000;
      SendDue(now_us);
      while (ReceiveAll()) {
      }
      stats_.cpu_us = static_cast<uint64_t>(Clock(CLOCK_THREAD_CPUTIME_ID) / 1000);
      if (!has_control && !control_.empty()) wake_();
    }
    if (!running) {
      // Only joins go on: they should not wait for a tick. Nothing is read here, so that it stays ready.
      epoll_event event;
      epoll_wait(epoll_, &event, 1, 20);
      next_us = Clock(CLOCK_MONOTONIC) / 1000;
      continue;
    }
    // A generator that is woken for each packet would cost the server's core its time.
    next_us += kTickUs;
    const int64_t now_us = Clock(CLOCK_MONOTONIC) / 1000;
    if (next_us > now_us) {
      usleep(static_cast<useconds_t>(next_us - now_us));
    } else {
      next_us = now_us;
    }
  }
}

bool LoadGenerator::SendDue(int64_t now_us) {
  bool any = false;
  for (Stream& stream : streams_) {
    if (!stream.running) continue;
    const int64_t interval = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(stream.shape.interval_us) / stream.speed));
    // What could not be sent in time is left out rather than sent in a burst.
    if (now_us - stream.next_us > 50'000) stream.next_us = now_us;
    for (; stream.next_us <= now_us; stream.next_us += interval) {
      SendFrame(&stream);
      any = true;
    }
  }
  return any;
}

size_t LoadGenerator::MakePacket(Stream* stream, Endpoint* endpoint, int packet, uint8_t* out) {
  const StreamShape& shape = stream->shape;
  const bool key_frame = stream->frames % kKeyFrameEvery == 0;
  const bool last = packet == shape.packets - 1;
  out[0] = 0x90;
  out[1] = static_cast<uint8_t>(shape.payload_type | (last && !shape.audio ? 0x80 : 0));
  WriteU16(out + 2, stream->sequence++);
  WriteU32(out + 4, stream->timestamp);
  WriteU32(out + 8, shape.ssrc);
  WriteU16(out + 12, 0xbede);
  ElementWriter elements(out + 16);
  const int64_t now_ns = Clock(CLOCK_REALTIME);
  if (shape.level_id != 0) *elements.Add(shape.level_id, 1) = static_cast<uint8_t>(shape.level | (shape.level < 127 ? 0x80 : 0));
  if (shape.abs_send_time_id != 0) {
    uint8_t* at = elements.Add(shape.abs_send_time_id, 3);
    const uint64_t time = (static_cast<uint64_t>(now_ns / 1000) << 18) / 1'000'000;
    at[0] = static_cast<uint8_t>(time >> 16);
    WriteU16(at + 1, static_cast<uint32_t>(time));
  }
  if (shape.transport_sequence_id != 0) WriteU16(elements.Add(shape.transport_sequence_id, 2), endpoint->transport_sequence++);
  if (shape.rid_id != 0) memcpy(elements.Add(shape.rid_id, shape.rid.size()), shape.rid.data(), shape.rid.size());
  const std::vector<uint8_t>& descriptor = shape.descriptors[packet > 0 ? 2 : key_frame ? 0 : 1];
  if (shape.descriptor_id != 0 && !descriptor.empty()) {
    memcpy(elements.Add(shape.descriptor_id, descriptor.size()), descriptor.data(), descriptor.size());
  }
  const size_t extension_bytes = elements.Finish();
  WriteU16(out + 14, static_cast<uint32_t>(extension_bytes / 4));
  uint8_t* payload = out + 16 + extension_bytes;
  const size_t head = 16 + extension_bytes;
  // Encoders split a frame evenly: what does not divide makes the last packets longer by a byte.
  const int longer = static_cast<int>(stream->frames % static_cast<uint64_t>(shape.packets));
  const size_t wanted = shape.datagram_bytes + (packet >= shape.packets - longer ? 1 : 0);
  const size_t payload_bytes = std::max<size_t>(kMarkAt + 16, wanted - std::min(wanted, head + 16));
  memset(payload, 0x5a, payload_bytes);
  // As VP8 has it (RFC 7741): the descriptor, then the frame's own header, in the first packet.
  payload[0] = packet == 0 ? 0x10 : 0x00;
  if (packet == 0) {
    const uint8_t vp8[] = {static_cast<uint8_t>(key_frame ? 0x10 : 0x11), 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};
    memcpy(payload + 1, vp8, sizeof vp8);
  }
  memcpy(payload + kMarkAt, kMark, sizeof kMark);
  memcpy(payload + kMarkAt + 8, &now_ns, sizeof now_ns);
  size_t length = head + payload_bytes;
  if (endpoint->sender->ProtectRtp(out, &length, kMaxDatagram) != conclave::SrtpStatus::kOk) return 0;
  return length;
}

void LoadGenerator::SendFrame(Stream* stream) {
  Endpoint& endpoint = endpoints_[stream->endpoint];
  if (endpoint.fd < 0 || endpoint.sender == nullptr) return;
  static thread_local uint8_t data[kMaxFramePackets][kMaxDatagram];
  iovec parts[kMaxFramePackets];
  mmsghdr messages[kMaxFramePackets] = {};
  unsigned count = 0;
  for (int packet = 0; packet < stream->shape.packets; ++packet) {
    const size_t length = MakePacket(stream, &endpoint, packet, data[count]);
    if (length == 0) continue;
    parts[count] = {data[count], length};
    messages[count].msg_hdr.msg_iov = &parts[count];
    messages[count].msg_hdr.msg_iovlen = 1;
    messages[count].msg_hdr.msg_name = &endpoint.server;
    messages[count].msg_hdr.msg_namelen = sizeof endpoint.server;
    ++count;
  }
  const int sent = sendmmsg(endpoint.fd, messages, count, 0);
  if (sent > 0) stream->sent += static_cast<uint64_t>(sent);
  ++stream->frames;
  const double clock_rate = stream->shape.audio ? 48'000 : 90'000;
  stream->timestamp += static_cast<uint32_t>(clock_rate * static_cast<double>(stream->shape.interval_us) / 1e6);
}

bool LoadGenerator::ReceiveAll() {
  static thread_local uint8_t data[kBatch][kMaxDatagram];
  static thread_local uint8_t control[kBatch][CMSG_SPACE(sizeof(timespec))];
  sockaddr_in from[kBatch];
  iovec parts[kBatch];
  mmsghdr messages[kBatch];
  epoll_event ready[512];
  const int count = epoll_wait(epoll_, ready, 512, 0);
  for (int i = 0; i < count; ++i) {
    const uint32_t index = ready[i].data.u32;
    Endpoint& endpoint = endpoints_[index];
    if (endpoint.fd < 0) continue;
    for (size_t k = 0; k < kBatch; ++k) {
      parts[k] = {data[k], kMaxDatagram};
      messages[k] = {};
      messages[k].msg_hdr.msg_iov = &parts[k];
      messages[k].msg_hdr.msg_iovlen = 1;
      messages[k].msg_hdr.msg_name = &from[k];
      messages[k].msg_hdr.msg_namelen = sizeof from[k];
      messages[k].msg_hdr.msg_control = control[k];
      messages[k].msg_hdr.msg_controllen = sizeof control[k];
    }
    const int got = recvmmsg(endpoint.fd, messages, kBatch, MSG_DONTWAIT, nullptr);
    for (int k = 0; k < got; ++k) {
      int64_t arrival_ns = 0;
      const cmsghdr* c = CMSG_FIRSTHDR(&messages[k].msg_hdr);
      if (c != nullptr && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
        timespec t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        arrival_ns = int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
      }
      Take(index, &endpoint, data[k], messages[k].msg_len, from[k], arrival_ns);
    }
  }
  return count == 512;
}

void LoadGenerator::Take(uint32_t index, Endpoint* endpoint, uint8_t* data, size_t length, const sockaddr_in& from,
                         int64_t arrival_ns) {
  if (length < 2) return;
  if (data[0] < 128) {
    constexpr size_t kMaxControl = 16 << 20;
    if (control_.size() + length + 12 > kMaxControl) return;
    uint8_t head[12];
    const uint32_t address = ntohl(from.sin_addr.s_addr);
    const uint16_t port = ntohs(from.sin_port);
    const uint16_t size = static_cast<uint16_t>(length);
    memcpy(head, &index, 4);
    memcpy(head + 4, &address, 4);
    memcpy(head + 8, &port, 2);
    memcpy(head + 10, &size, 2);
    control_.insert(control_.end(), head, head + sizeof head);
    control_.insert(control_.end(), data, data + length);
    return;
  }
  const uint8_t type = data[1] & 0x7f;
  if (type >= 64 && type < 96) {
    ++stats_.reports;
    return;
  }
  ++stats_.received;
  stats_.bytes += length;
  if (endpoint->received++ % kCheckEvery == 0) Check(endpoint, data, length, arrival_ns);
}

void LoadGenerator::Check(Endpoint* endpoint, uint8_t* data, size_t length, int64_t arrival_ns) {
  if (endpoint->receiver == nullptr) return;
  ++stats_.checked;
  uint64_t sequence = 0;
  if (endpoint->receiver->UnprotectRtp(data, &length, &sequence) != conclave::SrtpStatus::kOk || length < 12) {
    ++stats_.bad;
    return;
  }
  size_t at = 12 + 4 * (data[0] & 15);
  if ((data[0] & 0x10) != 0 && at + 4 <= length) at += 4 + 4 * (size_t{data[at + 2]} << 8 | data[at + 3]);
  if (at + kMarkAt + 16 > length || memcmp(data + at + kMarkAt, kMark, sizeof kMark) != 0) {
    ++stats_.bad;
    return;
  }
  int64_t sent_ns;
  memcpy(&sent_ns, data + at + kMarkAt + 8, sizeof sent_ns);
  if (arrival_ns == 0) return;
  const int64_t us = std::clamp<int64_t>((arrival_ns - sent_ns) / 1000, 0, kLatencyBuckets);
  ++latencies_[static_cast<size_t>(us)];
}

}  // namespace bench
