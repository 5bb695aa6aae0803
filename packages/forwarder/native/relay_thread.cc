#include "relay_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include <algorithm>

#include "socket_address.h"

namespace conclave {
namespace {

constexpr int kListenBacklog = 512;
constexpr size_t kScratchBytes = 65536;
constexpr int64_t kTickUs = 100'000;
// Silence is looked for once in so many ticks.
constexpr uint32_t kTicksPerExpiry = 10;
// How soon a stream that used up its bandwidth is looked at again.
constexpr int kThrottleMs = 20;
// Least spacing of ICMP events of one relay.
constexpr int64_t kIcmpSpacingUs = 100'000;
// From how many packets on waking up for each costs more than it is worth, and how often that is looked at.
constexpr double kBusyPacketsPerSecond = 4000;
constexpr int64_t kBusyWindowUs = 10'000;

// Ids are never used twice in a process.
std::atomic<uint64_t> next_serial{1};

template <typename T>
T Random() {
  T value = 0;
  if (getrandom(&value, sizeof value, 0) != sizeof value) value = static_cast<T>(MonotonicUs());
  return value;
}

int Family(const NetAddress& address) { return address.family == 6 ? AF_INET6 : AF_INET; }

// A socket with the options of listeners, bound. Of fd -1 on failure.
UniqueFd BindListener(const NetAddress& address, bool is_stream, bool is_shared, NetAddress* bound) {
  const int family = Family(address);
  UniqueFd fd(socket(family, (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return UniqueFd();
  const int on = 1;
  if (family == AF_INET6 && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) return UniqueFd();
  // A restarted server must be able to listen while connections of the former one linger in TIME_WAIT.
  if (is_stream && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return UniqueFd();
  if (is_shared && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return UniqueFd();
  sockaddr_storage name{};
  socklen_t length = ToSockaddr(address, &name);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), length) != 0) return UniqueFd();
  length = sizeof name;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length) != 0) return UniqueFd();
  *bound = FromSockaddr(name);
  return fd;
}

}  // namespace

RelayThread::UdpSocket::~UdpSocket() {
  fd = UniqueFd();
  if (pool != nullptr) pool->Release(local, false);
}

RelayThread::TcpRelayPort::~TcpRelayPort() {
  fd = UniqueFd();
  if (pool != nullptr) pool->Release(local, true);
}

RelayThread::RelayThread(const RelayThreadOptions& options, uint32_t index, std::shared_ptr<PortPool> ports,
                         std::shared_ptr<TcpLimits> limits, std::shared_ptr<const TlsContexts> contexts,
                         std::function<void()> wake)
    : options_(options),
      index_(index),
      pool_(std::move(ports)),
      limits_(std::move(limits)),
      wake_(std::move(wake)),
      contexts_(std::move(contexts)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      spare_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
      in_(std::make_unique<ReceiveBatch>()),
      scratch_(new uint8_t[kScratchBytes]),
      icmp_(kIcmpSpacingUs),
      table_(this, options.messages_per_second, Random<uint32_t>(), Random<uint64_t>()),
      out_(&sent_) {
  table_.SetPeerPorts(options.first_peer_port, options.last_peer_port);
  mail_.fd = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  for (size_t i = 0; i < kBatch; ++i) {
    in_->parts[i] = {in_->data[i], kMaxDatagram};
    in_->messages[i] = {};
    in_->messages[i].msg_hdr.msg_name = &in_->from[i];
    in_->messages[i].msg_hdr.msg_namelen = sizeof in_->from[i];
    in_->messages[i].msg_hdr.msg_iov = &in_->parts[i];
    in_->messages[i].msg_hdr.msg_iovlen = 1;
  }
}

RelayThread::~RelayThread() { Stop(); }

SocketId RelayThread::NextId() const { return next_serial.fetch_add(1) * kMaxThreads | index_; }

bool RelayThread::Watch(Watched* watched, int fd, uint32_t events) {
  if (watched->watching == events) return true;
  epoll_event event{};
  event.events = events;
  event.data.ptr = watched;
  const int operation = watched->watching == kNotWatched ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  watched->watching = events;
  return epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
}

void RelayThread::Unwatch(Watched* watched, int fd) {
  if (watched->watching == kNotWatched) return;
  watched->watching = kNotWatched;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void RelayThread::Bury(std::unique_ptr<Watched> watched) {
  if (watched == nullptr) return;
  watched->dead = true;
  graveyard_.push_back(std::move(watched));
}

bool RelayThread::Listen(const RelayListenerRequest& request, bool is_shared, NetAddress* bound) {
  const bool is_stream = request.transport == RelayTransport::kTcp || request.transport == RelayTransport::kTls;
  if (is_shared && index_ == 0 && request.address.port != 0) {
    // A port that is to be shared would be shared with another server too, instead of being refused.
    const UniqueFd probe = BindListener(request.address, is_stream, false, bound);
    if (probe.get() < 0) return false;
  }
  UniqueFd fd = BindListener(request.address, is_stream, is_shared, bound);
  if (fd.get() < 0) return false;
  if (is_stream) {
    if (listen(fd.get(), kListenBacklog) != 0) return false;
    auto listener = std::make_unique<Listener>();
    listener->local = *bound;
    listener->transport = request.transport;
    if (!Watch(listener.get(), fd.get(), EPOLLIN)) return false;
    listener->fd = std::move(fd);
    listeners_.push_back(std::move(listener));
    return true;
  }
  const bool is_dtls = request.transport == RelayTransport::kDtls;
  auto socket = std::make_unique<UdpSocket>(is_dtls ? Kind::kDtls : Kind::kUdp);
  SetBuffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, options_.socket_buffer_bytes);
  SetBuffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, options_.socket_buffer_bytes);
  socket->id = NextId();
  socket->local = *bound;
  socket->out.fd = fd.get();
  socket->out.offload = SegmentationOffload(options_.segmentation_offload && ProbeSegmentation(Family(*bound)));
  if (is_dtls) socket->dtls = std::make_unique<DtlsServer>(this, contexts_);
  if (!Watch(socket.get(), fd.get(), EPOLLIN)) return false;
  socket->fd = std::move(fd);
  udp_by_id_[socket->id] = socket.get();
  udp_.push_back(std::move(socket));
  return true;
}

bool RelayThread::OpenShared(const NetAddress& address, NetAddress* bound) {
  auto socket = std::make_unique<UdpSocket>(Kind::kShared);
  UniqueFd fd = BindListener(address, false, false, bound);
  if (fd.get() < 0) return false;
  SetDontFragment(fd.get(), address.family, false);
  SetBuffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, options_.socket_buffer_bytes);
  SetBuffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, options_.socket_buffer_bytes);
  socket->local = *bound;
  socket->out.fd = fd.get();
  socket->out.offload = SegmentationOffload(options_.segmentation_offload && ProbeSegmentation(Family(*bound)));
  if (!Watch(socket.get(), fd.get(), EPOLLIN)) return false;
  socket->fd = std::move(fd);
  shared_[address.family == 6] = socket.get();
  udp_.push_back(std::move(socket));
  return true;
}

bool RelayThread::Start(std::vector<RelayThread*> threads, std::vector<NetAddress> shared_addresses) {
  threads_ = std::move(threads);
  table_.SetSharedAddresses(std::move(shared_addresses));
  if (epoll_.get() < 0 || mail_.fd.get() < 0 || !Watch(&mail_, mail_.fd.get(), EPOLLIN)) return false;
  stopped_ = false;
  thread_ = std::thread([this] { Loop(); });
  return true;
}

void RelayThread::Stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(mail_.fd.get(), &one, sizeof one);
  thread_.join();
}

void RelayThread::Post(const uint8_t* commands, size_t length) {
  {
    const std::lock_guard<std::mutex> lock(mail_mutex_);
    if (stopped_) return;
    const bool was_empty = commands_.empty();
    commands_.insert(commands_.end(), commands, commands + length);
    if (!was_empty) return;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(mail_.fd.get(), &one, sizeof one);
}

void RelayThread::PostTask(std::function<void()> task) {
  {
    const std::lock_guard<std::mutex> lock(mail_mutex_);
    if (stopped_) return;
    tasks_.push_back(std::move(task));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(mail_.fd.get(), &one, sizeof one);
}

bool RelayThread::Run(const std::function<void()>& task) {
  std::unique_lock<std::mutex> lock(mail_mutex_);
  if (stopped_) return false;
  awaited_ = &task;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(mail_.fd.get(), &one, sizeof one);
  task_done_.wait(lock, [&] { return awaited_ == nullptr || stopped_; });
  const bool done = awaited_ == nullptr;
  awaited_ = nullptr;
  return done;
}

void RelayThread::SetContexts(std::shared_ptr<const TlsContexts> contexts) {
  PostTask([this, contexts] {
    contexts_ = contexts;
    for (const auto& socket : udp_) {
      if (socket->dtls != nullptr) socket->dtls->SetContexts(contexts);
    }
  });
}

void RelayThread::TakeMail() {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = read(mail_.fd.get(), &count, sizeof count);
  std::vector<std::function<void()>> tasks;
  bool has_awaited;
  {
    const std::lock_guard<std::mutex> lock(mail_mutex_);
    commands_taken_.swap(commands_);
    tasks.swap(tasks_);
    has_awaited = awaited_ != nullptr;
  }
  // What came from other threads was caused by earlier commands.
  for (const auto& task : tasks) task();
  ExecuteRelayCommands(this, commands_taken_.data(), commands_taken_.size());
  commands_taken_.clear();
  if (!has_awaited) return;
  const std::lock_guard<std::mutex> lock(mail_mutex_);
  (*awaited_)();
  awaited_ = nullptr;
  task_done_.notify_all();
}

int RelayThread::Timeout() const {
  if (has_throttled_) return kThrottleMs;
  const bool idle = clients_.empty() && dtls_clients_.empty() && peers_.empty() && accept_paused_until_us_ == 0;
  return idle ? -1 : static_cast<int>(kTickUs / 1000);
}

void RelayThread::Loop() {
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);

  epoll_event ready[kEvents];
  while (!stop_.load()) {
    const int count = epoll_wait(epoll_.get(), ready, kEvents, Timeout());
    now_us_ = MonotonicUs();
    const int64_t woken_us = now_us_;
    for (int i = 0; i < count; ++i) {
      auto* const watched = static_cast<Watched*>(ready[i].data.ptr);
      if (!watched->dead) Dispatch(watched, ready[i].events);
    }
    if (now_us_ >= next_tick_us_) {
      next_tick_us_ = now_us_ + kTickUs;
      Tick();
    }
    if (has_throttled_) PumpThrottled();
    FlushDirty();
    for (const auto& socket : udp_) {
      if (socket->dtls != nullptr) socket->dtls->Sweep();
    }
    out_.Flush();
    graveyard_.clear();
    Gather(woken_us);
  }
  const std::lock_guard<std::mutex> lock(mail_mutex_);
  stopped_ = true;
  task_done_.notify_all();
}

void RelayThread::Gather(int64_t woken_us) {
  const int64_t now_us = MonotonicUs();
  if (now_us - counted_us_ >= kBusyWindowUs) {
    const uint64_t packets = table_.counters().cells[kRelayReceivedPackets];
    const double per_second = static_cast<double>(packets - counted_packets_) * 1e6 / static_cast<double>(now_us - counted_us_);
    is_busy_ = per_second > kBusyPacketsPerSecond;
    counted_packets_ = packets;
    counted_us_ = now_us;
  }
  const int64_t left_us = options_.gather_us - (now_us - woken_us);
  if (!is_busy_ || left_us <= 0) return;
  const timespec rest{0, static_cast<long>(left_us) * 1000};
  nanosleep(&rest, nullptr);
}

void RelayThread::Dispatch(Watched* watched, uint32_t ready) {
  switch (watched->kind) {
    case Kind::kMail: return TakeMail();
    case Kind::kUdp:
    case Kind::kDtls:
    case Kind::kShared:
    case Kind::kRelay: return OnUdp(static_cast<UdpSocket*>(watched), ready);
    case Kind::kListener: return Accept(static_cast<Listener*>(watched));
    case Kind::kClient: return OnClient(static_cast<ClientStream*>(watched), ready);
    case Kind::kTcpRelay: return AcceptPeers(static_cast<TcpRelayPort*>(watched));
    case Kind::kPeer: return OnPeer(static_cast<PeerStream*>(watched), ready);
  }
}

void RelayThread::Tick() {
  for (const auto& socket : udp_) {
    if (socket->dtls != nullptr) socket->dtls->Tick();
  }
  if (accept_paused_until_us_ > 0 && now_us_ >= accept_paused_until_us_) {
    accept_paused_until_us_ = 0;
    for (const auto& listener : listeners_) Watch(listener.get(), listener->fd.get(), EPOLLIN);
  }
  if (++ticks_ % kTicksPerExpiry == 0) ExpireConnections();
}

void RelayThread::EmitRelay(EventRecord* record, bool from_anyone) {
  const uint8_t* const data = record->Finish();
  bool was_empty = false;
  const size_t bound = from_anyone ? EventQueue::kMaxBytesForStun : EventQueue::kMaxBytes;
  if (!events_.Append(data, record->size(), bound, &was_empty)) return table_.counters().Add(kRelayDroppedQueueFull);
  if (was_empty) wake_();
}

void RelayThread::ReadCounters(std::vector<double>* out) {
  RelayCounters totals = table_.counters();
  totals.Add(kRelaySentPackets, sent_.cells[kSentPackets]);
  totals.Add(kRelaySentBytes, sent_.cells[kSentBytes]);
  totals.Add(kRelayDroppedQueueFull, sent_.cells[kDroppedQueueFull]);
  totals.Add(kRelayDroppedSocketError, sent_.cells[kDroppedSocketError]);
  totals.cells[kRelayConnections] = clients_.size() + dtls_clients_.size();
  for (const auto& [id, peer] : peers_) totals.cells[kRelayConnections] += peer->client != nullptr;
  for (const auto& socket : udp_) {
    uint32_t info[SK_MEMINFO_VARS] = {};
    socklen_t length = sizeof info;
    if (getsockopt(socket->fd.get(), SOL_SOCKET, SO_MEMINFO, info, &length) == 0) {
      totals.Add(kRelayDroppedReceiveQueue, info[SK_MEMINFO_DROPS]);
    }
  }
  for (const uint64_t cell : totals.cells) out->push_back(static_cast<double>(cell));
}

}  // namespace conclave
