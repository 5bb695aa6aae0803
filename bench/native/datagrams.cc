// The measuring ends of forward-cost.mjs, cheap enough not to be what is measured.
//   datagrams sink <count>                             binds UDP sockets on 127.0.0.1, receives everything, counts
//   datagrams floor <run> <size> <burst> <interval-us> <duration-ms>   < ports, one per line
// The sink prints its ports in one line, then answers every line on its input with "<packets> <bytes>".
// The floor sends what a server of these receivers would have to send, and nothing else is done: each packet of a burst to
// each port by sendto (run 1), or `run` packets at once by UDP_SEGMENT. Interval 0: without a pause. It prints
// "<packets> <CPU µs>".
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <vector>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace {

constexpr int kBufferBytes = 4 << 20;
constexpr int kMaxRun = 64;
constexpr size_t kMaxSize = 2048;

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

void SetBuffer(int fd, int forced, int option) {
  if (setsockopt(fd, SOL_SOCKET, forced, &kBufferBytes, sizeof kBufferBytes) != 0) {
    setsockopt(fd, SOL_SOCKET, option, &kBufferBytes, sizeof kBufferBytes);
  }
}

int64_t NowUs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

int64_t CpuUs() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (int64_t{u.ru_utime.tv_sec} + u.ru_stime.tv_sec) * 1'000'000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

int Sink(int count) {
  const int epoll = epoll_create1(0);
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0) Fail("socket");
    SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    sockaddr_in address = Loopback(0);
    socklen_t length = sizeof address;
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) Fail("bind");
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    printf("%d ", ntohs(address.sin_port));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  printf("\n");
  fflush(stdout);
  epoll_event input{};
  input.events = EPOLLIN;
  input.data.fd = STDIN_FILENO;
  epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);

  constexpr int kBatch = 64;
  static uint8_t data[kBatch][kMaxSize];
  iovec parts[kBatch];
  mmsghdr messages[kBatch] = {};
  for (int i = 0; i < kBatch; ++i) {
    parts[i] = {data[i], kMaxSize};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t packets = 0;
  uint64_t bytes = 0;
  for (;;) {
    epoll_event ready[256];
    const int n = epoll_wait(epoll, ready, 256, -1);
    bool asked = false;
    for (int i = 0; i < n; ++i) {
      if (ready[i].data.fd == STDIN_FILENO) {
        asked = true;
        continue;
      }
      const int got = recvmmsg(ready[i].data.fd, messages, kBatch, MSG_DONTWAIT, nullptr);
      for (int k = 0; k < got; ++k) bytes += messages[k].msg_len;
      if (got > 0) packets += static_cast<uint64_t>(got);
    }
    if (asked) {
      char line[256];
      if (read(STDIN_FILENO, line, sizeof line) <= 0) return 0;
      printf("%llu %llu\n", static_cast<unsigned long long>(packets), static_cast<unsigned long long>(bytes));
      fflush(stdout);
    }
    // Receivers that are woken for each packet would take the time that is to be measured; real ones are elsewhere.
    usleep(1000);
  }
}

int Floor(int run, size_t size, int burst, int64_t interval_us, int64_t duration_us) {
  if (run < 1 || run > kMaxRun || size < 1 || size > kMaxSize || burst < run) Fail("arguments");
  std::vector<sockaddr_in> to;
  for (int port; scanf("%d", &port) == 1;) to.push_back(Loopback(port));
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) Fail("socket");
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  static uint8_t data[kMaxRun * kMaxSize];
  // Receivers count what looks like RTP.
  memset(data, 0x80, sizeof data);
  uint64_t packets = 0;
  const int64_t cpu = CpuUs();
  const int64_t start = NowUs();
  for (int64_t next = start; NowUs() - start < duration_us; next += interval_us) {
    for (int at = 0; at < burst; at += run) {
      for (sockaddr_in& address : to) {
        iovec part{data, static_cast<size_t>(run) * size};
        alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = {};
        msghdr message{};
        message.msg_name = &address;
        message.msg_namelen = sizeof address;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (run == 1) {
          if (sendto(fd, data, size, 0, reinterpret_cast<sockaddr*>(&address), sizeof address) > 0) ++packets;
          continue;
        }
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        const uint16_t segment = static_cast<uint16_t>(size);
        memcpy(CMSG_DATA(header), &segment, sizeof segment);
        if (sendmsg(fd, &message, 0) > 0) packets += static_cast<uint64_t>(run);
      }
    }
    const int64_t pause = next + interval_us - NowUs();
    if (interval_us > 0 && pause > 0) usleep(static_cast<useconds_t>(pause));
  }
  printf("%llu %lld\n", static_cast<unsigned long long>(packets), static_cast<long long>(CpuUs() - cpu));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i) { return i < argc ? atoll(argv[i]) : 0; };
  if (argc == 3 && strcmp(argv[1], "sink") == 0) return Sink(static_cast<int>(number(2)));
  if (argc == 7 && strcmp(argv[1], "floor") == 0) {
    return Floor(static_cast<int>(number(2)), static_cast<size_t>(number(3)), static_cast<int>(number(4)), number(5),
                 1000 * number(6));
  }
  fprintf(stderr, "usage: datagrams sink <count> | floor <run> <size> <burst> <interval-us> <duration-ms>\n");
  return 2;
}
