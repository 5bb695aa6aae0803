#include "io_thread.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "command.h"
#include "socket_address.h"

namespace conclave {
namespace {

// Batches read from one UDP socket before others get their turn.
constexpr int kBatchesPerTurn = 4;
constexpr int kListenBacklog = 128;
constexpr SocketId kMailId = 0;
// Least spacing of the events about receivers' reports of one slot. Browsers report about once a second.
constexpr int64_t kReportSpacingUs = 50'000;

// Ids are never used twice in a process.
std::atomic<uint64_t> next_serial{1};

int64_t RealUs() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

// How long the datagram lay in the socket's queue, by the kernel's time stamp. Packets that are read together came one
// after the other, and a sender that probes its bandwidth lives by those differences.
int64_t QueuedUs(const msghdr& message, int64_t real_us) {
  constexpr int64_t kBelievable = 1'000'000;
  for (const cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(&message), const_cast<cmsghdr*>(c))) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec t;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    const int64_t queued = real_us - (int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000);
    // The wall clock may have been set meanwhile.
    return queued >= 0 && queued < kBelievable ? queued : 0;
  }
  return 0;
}

// Receivers show our reports' time to people, as the time at which something was captured.
int64_t NtpEpochUs() {
  constexpr int64_t kSecondsFrom1900To1970 = 2'208'988'800;
  return RealUs() + kSecondsFrom1900To1970 * 1'000'000 - MonotonicUs();
}

TableOptions WithClock(TableOptions options) {
  options.ntp_epoch_us = NtpEpochUs();
  if (getrandom(&options.seed, sizeof options.seed, 0) != sizeof options.seed) options.seed = static_cast<uint64_t>(RealUs());
  return options;
}

}  // namespace

IoThread::IoThread(const IoOptions& options, uint32_t index, std::shared_ptr<TcpLimits> limits, std::function<void()> wake)
    : options_(options),
      index_(index),
      limits_(std::move(limits)),
      wake_(std::move(wake)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      mail_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      in_(std::make_unique<ReceiveBatch>()),
      reports_(kReportSpacingUs),
      table_(WithClock(options.table), this),
      out_(&table_.counters(), options.sending) {}

IoThread::~IoThread() { Stop(); }

SocketId IoThread::NextId() const { return next_serial.fetch_add(1) * kMaxThreads | index_; }

bool IoThread::Watch(int operation, int fd, uint32_t events, SocketId id) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
}

bool IoThread::Open(const SocketRequest& request, BoundSocket* bound) {
  const int family = request.address.family == 6 ? AF_INET6 : AF_INET;
  const int type = (request.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  UniqueFd fd(socket(family, type, 0));
  if (fd.get() < 0) return false;
  const int on = 1;
  if (family == AF_INET6 && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) return false;
  // A restarted server must be able to listen while connections of the former one linger in TIME_WAIT.
  if (request.tcp && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return false;
  if (!request.tcp) {
    setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    SetBuffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, options_.socket_buffer_bytes);
    SetBuffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, options_.socket_buffer_bytes);
  }
  sockaddr_storage address{};
  socklen_t length = ToSockaddr(request.address, &address);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return false;
  if (request.tcp && listen(fd.get(), kListenBacklog) != 0) return false;
  length = sizeof address;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  bound->id = NextId();
  bound->address = FromSockaddr(address);
  if (!Watch(EPOLL_CTL_ADD, fd.get(), EPOLLIN, bound->id)) return false;
  Udp entry;
  entry.out.fd = fd.get();
  entry.out.offload = SegmentationOffload(
      !request.tcp && options_.sending == PacketSending::kSegmented && ProbeSegmentation(family));
  entry.fd = std::move(fd);
  entry.id = bound->id;
  (request.tcp ? listeners_ : udp_)[bound->id] = std::move(entry);
  return true;
}

bool IoThread::Start() {
  if (epoll_.get() < 0 || mail_fd_.get() < 0) return false;
  if (!Watch(EPOLL_CTL_ADD, mail_fd_.get(), EPOLLIN, kMailId)) return false;
  stopped_ = false;
  thread_ = std::thread([this] { Loop(); });
  return true;
}

void IoThread::Stop() {
  if (thread_.joinable()) {
    stop_.store(true);
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(mail_fd_.get(), &one, sizeof one);
    thread_.join();
  }
  for (auto& [id, connection] : connections_) limits_->Release(connection->remote());
  connections_.clear();
  udp_.clear();
  listeners_.clear();
  epoll_ = UniqueFd();
  mail_fd_ = UniqueFd();
}

void IoThread::Post(const uint8_t* commands, size_t length) {
  bool was_empty;
  {
    std::lock_guard<std::mutex> lock(mail_mutex_);
    if (stopped_) return;
    was_empty = mail_.empty();
    mail_.insert(mail_.end(), commands, commands + length);
  }
  if (!was_empty) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(mail_fd_.get(), &one, sizeof one);
}

bool IoThread::SendNow(const PathKey& path, const uint8_t* data, size_t length) {
  // Sockets are opened before the thread starts and closed after it ended, so the table does not change meanwhile.
  const auto udp = udp_.find(path.socket);
  if (udp == udp_.end() || length == 0 || length > kMaxDatagram) return false;
  sockaddr_storage to{};
  const socklen_t to_length = ToSockaddr(path.remote, &to);
  if (sendto(udp->second.fd.get(), data, length, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to), to_length) < 0) return false;
  sent_now_.Add(kSentPackets);
  sent_now_.Add(kSentBytes, length);
  sent_now_.Add(kSentBatches);
  return true;
}

bool IoThread::Run(const std::function<void(FlowTable*)>& task) {
  std::unique_lock<std::mutex> lock(mail_mutex_);
  if (stopped_) return false;
  task_ = &task;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(mail_fd_.get(), &one, sizeof one);
  task_done_.wait(lock, [&] { return task_ == nullptr || stopped_; });
  const bool done = task_ == nullptr;
  task_ = nullptr;
  return done;
}

void IoThread::TakeMail(int64_t now_us) {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = read(mail_fd_.get(), &count, sizeof count);
  bool has_task;
  {
    std::lock_guard<std::mutex> lock(mail_mutex_);
    mail_taken_.swap(mail_);
    has_task = task_ != nullptr;
  }
  ExecuteCommands(&table_, this, now_us, mail_taken_.data(), mail_taken_.size());
  // Keys were among it.
  if (!mail_taken_.empty()) explicit_bzero(mail_taken_.data(), mail_taken_.size());
  mail_taken_.clear();
  if (!has_task) return;
  CountKernelDrops();
  std::lock_guard<std::mutex> lock(mail_mutex_);
  (*task_)(&table_);
  task_ = nullptr;
  task_done_.notify_all();
}

int IoThread::Timeout(int64_t now_us) const {
  int64_t at = table_.NextTick();
  if (!connections_.empty() && (at < 0 || next_connection_check_us_ < at)) at = next_connection_check_us_;
  if (accept_paused_until_us_ > 0 && (at < 0 || accept_paused_until_us_ < at)) at = accept_paused_until_us_;
  if (at < 0) return -1;
  // Rounded up, so that the loop does not spin through the last fraction.
  return static_cast<int>(std::clamp<int64_t>((at - now_us + 999) / 1000, 0, 1000));
}

void IoThread::Loop() {
  epoll_event ready[kBatch];
  while (!stop_.load()) {
    const int count = epoll_wait(epoll_.get(), ready, kBatch, Timeout(MonotonicUs()));
    const int64_t now_us = MonotonicUs();
    for (int i = 0; i < count; ++i) {
      const SocketId id = ready[i].data.u64;
      if (id == kMailId) {
        TakeMail(now_us);
      } else if (const auto udp = udp_.find(id); udp != udp_.end()) {
        ReadUdp(udp->second);
      } else if (const auto connection = connections_.find(id); connection != connections_.end()) {
        OnConnection(connection->second.get(), ready[i].events, now_us);
      } else if (const auto listener = listeners_.find(id); listener != listeners_.end()) {
        Accept(listener->second, now_us);
      }
    }
    const int64_t tick = table_.NextTick();
    if (tick >= 0 && now_us >= tick) table_.Tick(now_us);
    if (!connections_.empty() && now_us >= next_connection_check_us_) ExpireConnections(now_us);
    if (accept_paused_until_us_ > 0 && now_us >= accept_paused_until_us_) {
      accept_paused_until_us_ = 0;
      for (const auto& [id, listener] : listeners_) Watch(EPOLL_CTL_MOD, listener.fd.get(), EPOLLIN, id);
    }
    out_.Flush();
    for (size_t i = 0; i < closing_.size(); ++i) CloseTcp(closing_[i]);
    closing_.clear();
  }
  std::lock_guard<std::mutex> lock(mail_mutex_);
  stopped_ = true;
  task_done_.notify_all();
}

void IoThread::ReadUdp(const Udp& socket) {
  ReceiveBatch& in = *in_;
  for (int turn = 0; turn < kBatchesPerTurn; ++turn) {
    for (size_t i = 0; i < kBatch; ++i) {
      in.parts[i] = {in.data[i], kMaxDatagram};
      in.messages[i] = {};
      in.messages[i].msg_hdr.msg_name = &in.from[i];
      in.messages[i].msg_hdr.msg_namelen = sizeof in.from[i];
      in.messages[i].msg_hdr.msg_iov = &in.parts[i];
      in.messages[i].msg_hdr.msg_iovlen = 1;
      in.messages[i].msg_hdr.msg_control = in.control[i];
      in.messages[i].msg_hdr.msg_controllen = sizeof in.control[i];
    }
    const int got = recvmmsg(socket.fd.get(), in.messages, kBatch, MSG_DONTWAIT, nullptr);
    if (got <= 0) return;
    const int64_t now_us = MonotonicUs();
    const int64_t real_us = RealUs();
    PlanRuns(socket, got);
    for (int i = 0; i < got; ++i) {
      if (in.messages[i].msg_hdr.msg_flags & MSG_TRUNC) {
        table_.counters().Add(kDroppedOversize);
        continue;
      }
      const PathKey path{socket.id, FromSockaddr(in.from[i])};
      const int64_t arrival_us = now_us - QueuedUs(in.messages[i].msg_hdr, real_us);
      if (!relayed_.empty() && ReceiveRelayed(now_us, path, in.data[i], in.messages[i].msg_len, arrival_us)) continue;
      table_.Receive(now_us, path, in.data[i], in.messages[i].msg_len, arrival_us, in.padding[i]);
    }
    if (got < static_cast<int>(kBatch)) return;
  }
}

void IoThread::PlanRuns(const Udp& socket, int count) {
  ReceiveBatch& in = *in_;
  memset(in.padding, 0, static_cast<size_t>(count));
  if (count < 2 || !socket.out.offload.usable()) return;
  runs_.Begin();
  for (int i = count - 1; i >= 0; --i) {
    const PathKey path{socket.id, FromSockaddr(in.from[i])};
    in.padding[i] = table_.PlanPadding(path, in.data[i], std::min<size_t>(in.messages[i].msg_len, kMaxDatagram), &runs_);
  }
}

void IoThread::CountKernelDrops() {
  uint64_t drops = 0;
  for (const auto& [id, socket] : udp_) {
    uint32_t info[SK_MEMINFO_VARS] = {};
    socklen_t length = sizeof info;
    if (getsockopt(socket.fd.get(), SOL_SOCKET, SO_MEMINFO, info, &length) == 0) drops += info[SK_MEMINFO_DROPS];
  }
  table_.counters().cells[kDroppedReceiveQueue] = drops;
}

uint8_t* IoThread::Reserve() {
  if (out_.Full()) out_.Flush();
  return out_.Reserve();
}

void IoThread::Commit(const PathKey& path, size_t length, bool media) {
  if (const auto udp = udp_.find(path.socket); udp != udp_.end()) {
    return out_.Add(&udp->second.out, path.remote, length);
  }
  const auto it = connections_.find(path.socket);
  if (it == connections_.end()) {
    const RelayedPaths::Relayed* const relayed = relayed_.Find(path.socket);
    if (relayed == nullptr) return table_.counters().Add(kDroppedNoSocket);
    return CommitRelayed(*relayed, path, length, media);
  }
  TcpConnection* connection = it->second.get();
  switch (connection->Write(out_.Reserve(), length, media)) {
    case TcpConnection::WriteResult::kOk:
      table_.counters().Add(kSentPackets);
      table_.counters().Add(kSentBytes, length);
      WatchWrites(connection);
      return;
    case TcpConnection::WriteResult::kDropped:
      return table_.counters().Add(kDroppedQueueFull);
    case TcpConnection::WriteResult::kFailed:
      table_.counters().Add(kDroppedSocketError);
      closing_.push_back(path.socket);
      return;
  }
}

void IoThread::Emit(EventRecord* record, bool from_anyone) {
  const uint8_t* data = record->Finish();
  if (record->type() == EventType::kReceiverReport && !reports_.Admit(record->first_id(), MonotonicUs())) return;
  bool was_empty = false;
  const size_t bound = from_anyone ? EventQueue::kMaxBytesForStun : EventQueue::kMaxBytes;
  if (!events_.Append(data, record->size(), bound, &was_empty)) return table_.counters().Add(kDroppedQueueFull);
  if (was_empty) wake_();
}

}  // namespace conclave
