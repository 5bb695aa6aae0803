// The clients and peers of turn-cost.mjs, cheap enough not to be what is measured.
//   turn_flows <server-port> <size> <packets-per-second> <duration-ms>   < flows, one per line:
//     <client-port> <channel> <relay-port> <peer-port>
// Each flow is an allocation that is there already, with a channel to its peer. Client and peer take turns over all flows:
// one ChannelData message to the server, one datagram to the relay. Rate 0 sends without a pause. All on 127.0.0.1.
// It prints "<messages from clients> <datagrams from peers> <received by peers> <received by clients> <µs of sending>".
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

constexpr int kBufferBytes = 1 << 20;
constexpr size_t kMaxSize = 2048;
constexpr int kBatch = 32;
/** Packets between two looks at the clock. */
constexpr int kStride = 20;
/** How long stragglers are waited for after the last packet was sent. */
constexpr int64_t kTailUs = 300'000;

struct Flow {
  int client;
  int peer;
  uint16_t channel;
  sockaddr_in relay;
};

std::atomic<bool> ended{false};

[[noreturn]] void Fail(const char* what) {
  perror(what);
  exit(1);
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int64_t NowUs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

/** -1 when somebody took the port meanwhile. */
int Bind(int port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (fd < 0) Fail("socket");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
  }
  const sockaddr_in address = Loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

/** Counts what the sockets get whose first byte is one of media, or of ChannelData, and nothing else. */
uint64_t Drain(const std::vector<int>& sockets) {
  const int epoll = epoll_create1(0);
  for (const int fd : sockets) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  std::vector<uint8_t> data(kBatch * kMaxSize);
  iovec parts[kBatch];
  mmsghdr messages[kBatch] = {};
  for (int i = 0; i < kBatch; ++i) {
    parts[i] = {&data[i * kMaxSize], kMaxSize};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t packets = 0;
  while (!ended.load(std::memory_order_relaxed)) {
    epoll_event ready[512];
    const int n = epoll_wait(epoll, ready, 512, 10);
    for (int i = 0; i < n; ++i) {
      const int got = recvmmsg(ready[i].data.fd, messages, kBatch, MSG_DONTWAIT, nullptr);
      for (int k = 0; k < got; ++k) packets += data[k * kMaxSize] >= 0x40;
    }
    // Receivers that are woken for each packet would take the time that is to be measured; real ones are elsewhere.
    usleep(2000);
  }
  close(epoll);
  return packets;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: turn_flows <server-port> <size> <packets-per-second> <duration-ms>\n");
    return 2;
  }
  const sockaddr_in server = Loopback(atoi(argv[1]));
  const size_t size = static_cast<size_t>(atoi(argv[2]));
  const int64_t rate = atoll(argv[3]);
  const int64_t duration_us = 1000 * atoll(argv[4]);
  if (size < 1 || size + 4 > kMaxSize) Fail("size");
  std::vector<Flow> flows;
  for (int client, channel, relay, peer; scanf("%d %d %d %d", &client, &channel, &relay, &peer) == 4;) {
    const Flow flow{Bind(client), Bind(peer), static_cast<uint16_t>(channel), Loopback(relay)};
    if (flow.client >= 0 && flow.peer >= 0) flows.push_back(flow);
  }
  if (flows.empty()) Fail("no flows");
  std::vector<int> clients;
  std::vector<int> peers;
  for (const Flow& flow : flows) {
    clients.push_back(flow.client);
    peers.push_back(flow.peer);
  }
  uint64_t at_clients = 0;
  uint64_t at_peers = 0;
  std::thread client_side([&] { at_clients = Drain(clients); });
  std::thread peer_side([&] { at_peers = Drain(peers); });

  static uint8_t data[kMaxSize];
  memset(data, 0x80, sizeof data);
  uint64_t from_clients = 0;
  uint64_t from_peers = 0;
  size_t at = 0;
  const int64_t start = NowUs();
  int64_t now = start;
  while (now - start < duration_us) {
    for (int i = 0; i < kStride; i += 2) {
      const Flow& flow = flows[at];
      at = at + 1 == flows.size() ? 0 : at + 1;
      uint8_t head[4] = {static_cast<uint8_t>(flow.channel >> 8), static_cast<uint8_t>(flow.channel),
                         static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)};
      iovec parts[2] = {{head, 4}, {data, size}};
      msghdr message{};
      message.msg_name = const_cast<sockaddr_in*>(&server);
      message.msg_namelen = sizeof server;
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      if (sendmsg(flow.client, &message, 0) > 0) ++from_clients;
      const auto* relay = reinterpret_cast<const sockaddr*>(&flow.relay);
      if (sendto(flow.peer, data, size, 0, relay, sizeof flow.relay) > 0) ++from_peers;
    }
    now = NowUs();
    if (rate > 0) {
      const int64_t due = start + static_cast<int64_t>(from_clients + from_peers) * 1'000'000 / rate;
      if (due > now + 500) usleep(static_cast<useconds_t>(due - now));
    }
  }
  const int64_t sending_us = NowUs() - start;
  usleep(kTailUs);
  ended = true;
  client_side.join();
  peer_side.join();
  printf("%llu %llu %llu %llu %lld\n", static_cast<unsigned long long>(from_clients),
         static_cast<unsigned long long>(from_peers), static_cast<unsigned long long>(at_peers),
         static_cast<unsigned long long>(at_clients), static_cast<long long>(sending_us));
  return 0;
}
