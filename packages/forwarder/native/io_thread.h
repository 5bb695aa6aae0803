// One forwarding thread: its sockets, its epoll loop and its flow table. Other threads reach it by a mailbox only.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "event_queue.h"
#include "flow_table.h"
#include "monotonic_clock.h"
#include "relayed_paths.h"
#include "send_queue.h"
#include "tcp_connection.h"
#include "unique_fd.h"

namespace conclave {

struct SocketRequest {
  bool tcp = false;
  NetAddress address;
};

struct BoundSocket {
  SocketId id = 0;
  NetAddress address;
};

struct IoOptions {
  TableOptions table;
  size_t tcp_queue_bytes = 262144;
  int socket_buffer_bytes = 4 << 20;
  // How packets are handed to the kernel, as in flow-table.ts.
  PacketSending sending = PacketSending::kSegmented;
};

class IoThread : public Sink {
 public:
  // `index` goes into the ids of this thread's sockets; `wake` is called, from the thread, when events begin to wait.
  IoThread(const IoOptions& options, uint32_t index, std::shared_ptr<TcpLimits> limits, std::function<void()> wake);
  ~IoThread() override;

  // Binds a socket, before Start. On failure returns false and sets errno.
  bool Open(const SocketRequest& request, BoundSocket* bound);
  bool Start();
  // Ends the thread and closes everything. Idempotent.
  void Stop();

  // Hands over rule changes; they are carried out in order.
  void Post(const uint8_t* commands, size_t length);
  // Runs `task` on the thread and waits for it. False if the thread has stopped.
  bool Run(const std::function<void(FlowTable*)>& task);
  // Sends one datagram at once, from the thread that calls Post: what is rare need not wake anybody. False if the socket is
  // none of UDP here, or the kernel does not take it now.
  bool SendNow(const PathKey& path, const uint8_t* data, size_t length);
  // What SendNow sent; for the thread that calls it.
  const Counters& sent_now() const { return sent_now_; }
  void DrainEvents(std::vector<uint8_t>* out) { events_.Drain(out); }

  // The thread a socket belongs to.
  static uint32_t IndexOf(SocketId id) { return static_cast<uint32_t>(id & (kMaxThreads - 1)); }
  static constexpr uint32_t kMaxThreads = 64;

  // Sink.
  uint8_t* Reserve() override;
  void Commit(const PathKey& path, size_t length, bool media) override;
  void Emit(EventRecord* record, bool from_anyone) override;
  void CloseConnection(SocketId socket) override;
  void AddRelayedPath(SocketId socket, const PathKey& via, uint16_t channel, const NetAddress& peer) override;

 private:
  static constexpr size_t kBatch = 64;

  struct Udp {
    UniqueFd fd;
    SocketId id = 0;
    SendQueue::Socket out;
  };
  struct ReceiveBatch {
    uint8_t data[kBatch][kMaxDatagram];
    sockaddr_storage from[kBatch];
    iovec parts[kBatch];
    mmsghdr messages[kBatch];
    uint8_t padding[kBatch];
    alignas(cmsghdr) uint8_t control[kBatch][CMSG_SPACE(sizeof(timespec))];
  };

  SocketId NextId() const;
  bool Watch(int operation, int fd, uint32_t events, SocketId id);
  void Loop();
  int Timeout(int64_t now_us) const;
  void TakeMail(int64_t now_us);
  void ReadUdp(const Udp& socket);
  // A datagram of a TURN server's channel; false if it is none.
  bool ReceiveRelayed(int64_t now_us, const PathKey& via, uint8_t* data, size_t length, int64_t arrival_us);
  void CommitRelayed(const RelayedPaths::Relayed& relayed, const PathKey& path, size_t length, bool media);
  // What is to be added to each of the packets read last, so that those of a frame leave together.
  void PlanRuns(const Udp& socket, int count);
  void CountKernelDrops();
  void Accept(const Udp& listener, int64_t now_us);
  void OnConnection(TcpConnection* connection, uint32_t ready, int64_t now_us);
  void ExpireConnections(int64_t now_us);
  void CloseTcp(SocketId id);
  void WatchWrites(TcpConnection* connection);

  IoOptions options_;
  uint32_t index_;
  std::shared_ptr<TcpLimits> limits_;
  std::function<void()> wake_;
  UniqueFd epoll_;
  UniqueFd mail_fd_;
  std::unordered_map<SocketId, Udp> udp_;
  std::unordered_map<SocketId, Udp> listeners_;
  std::unordered_map<SocketId, std::unique_ptr<TcpConnection>> connections_;
  RelayedPaths relayed_;
  std::vector<SocketId> closing_;
  std::unique_ptr<ReceiveBatch> in_;
  RunPlanner runs_;
  int64_t next_connection_check_us_ = 0;
  // When accepting goes on after it failed for want of descriptors; 0 if it did not.
  int64_t accept_paused_until_us_ = 0;

  EventQueue events_;
  EventThrottle reports_;
  FlowTable table_;
  // The one place where packets leave over UDP.
  SendQueue out_;

  Counters sent_now_;
  std::mutex mail_mutex_;
  std::condition_variable task_done_;
  std::vector<uint8_t> mail_;
  std::vector<uint8_t> mail_taken_;
  const std::function<void(FlowTable*)>* task_ = nullptr;
  bool stopped_ = true;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace conclave
