// One thread of the relay plane: its sockets, its epoll loop and its relay table. Others reach it by a mailbox only.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "dtls_server.h"
#include "event_queue.h"
#include "monotonic_clock.h"
#include "port_pool.h"
#include "relay_command.h"
#include "relay_stream.h"
#include "relay_table.h"
#include "send_queue.h"
#include "tcp_connection.h"

namespace conclave {

struct RelayListenerRequest {
  RelayTransport transport = RelayTransport::kUdp;
  NetAddress address;
};

struct RelayThreadOptions {
  uint32_t messages_per_second = 1000;
  uint16_t first_peer_port = 0;
  uint16_t last_peer_port = 65535;
  int64_t handshake_timeout_us = 10'000'000;
  int64_t idle_timeout_us = 60'000'000;
  size_t stream_queue_bytes = 262144;
  int socket_buffer_bytes = 4 << 20;
  int relay_buffer_bytes = 262144;
  bool segmentation_offload = true;
  // How long packets may gather before they are read, when there are many.
  int64_t gather_us = 500;
};

class RelayThread : public RelaySink, public RelayRules, public DtlsServerOwner {
 public:
  // `wake` is called, from the thread, when events begin to wait.
  RelayThread(const RelayThreadOptions& options, uint32_t index, std::shared_ptr<PortPool> ports,
              std::shared_ptr<TcpLimits> limits, std::shared_ptr<const TlsContexts> contexts, std::function<void()> wake);
  ~RelayThread() override;

  // Before Start. `is_shared`: other threads open the same address too. `*bound` tells the port. On failure returns false
  // and sets errno.
  bool Listen(const RelayListenerRequest& request, bool is_shared, NetAddress* bound);
  bool OpenShared(const NetAddress& address, NetAddress* bound);
  // `threads` are all of the plane, itself included, in the order of their indexes.
  bool Start(std::vector<RelayThread*> threads, std::vector<NetAddress> shared_addresses);
  // Ends the thread. All must have ended before the first is destroyed, for they hand connections to each other.
  void Stop();

  // Hands over rule changes; they are carried out in order.
  void Post(const uint8_t* commands, size_t length);
  void PostTask(std::function<void()> task);
  // Runs `task` on the thread and waits for it. False if the thread has stopped.
  bool Run(const std::function<void()>& task);
  void SetContexts(std::shared_ptr<const TlsContexts> contexts);
  void DrainEvents(std::vector<uint8_t>* out) { events_.Drain(out); }

  // On the thread.
  void ReadTotals(std::vector<double>* out) const { table_.ReadTotals(out); }
  void ReadCounters(std::vector<double>* out);

  static constexpr uint32_t kMaxThreads = 64;

  // RelaySink.
  uint8_t* Reserve() override;
  bool SendToClient(const RelayClient& client, size_t length) override;
  bool SendToPeer(Relay* relay, const NetAddress& peer, size_t length, bool dont_fragment, bool own_port) override;
  void EmitRelay(EventRecord* record, bool from_anyone) override;

  // RelayRules.
  void OpenRelay(const RelayRequest& request) override;
  void CloseRelay(RelayId id) override;
  void AddPermission(RelayId id, const NetAddress& peer) override { table_.AddPermission(id, peer); }
  void RemovePermission(RelayId id, const NetAddress& peer) override { table_.RemovePermission(id, peer); }
  void BindChannel(RelayId id, uint16_t number, const NetAddress& peer) override { table_.BindChannel(id, number, peer); }
  void UnbindChannel(RelayId id, uint16_t number) override { table_.UnbindChannel(id, number); }
  void SendToPeer(RelayId id, const NetAddress& peer, const uint8_t* data, size_t length, bool dont_fragment) override {
    table_.SendToPeer(id, peer, data, length, dont_fragment);
  }
  void Send(const RelayClientKey& client, const uint8_t* data, size_t length) override;
  void CloseClient(const RelayClientKey& client) override;
  void ConnectPeer(RelayId id, ConnectionId connection, const NetAddress& peer) override;
  void AcceptPeer(SocketId incoming, ConnectionId connection) override;
  void RefusePeer(SocketId incoming) override;
  void JoinConnection(ConnectionId connection, const RelayClientKey& client, uint32_t thread) override;
  void CloseConnection(ConnectionId connection) override;

  // DtlsServerOwner.
  void SendDatagram(DtlsServer* server, const NetAddress& to, const uint8_t* data, size_t length) override;
  bool AdmitSession(DtlsClient* client) override;
  void OnDtlsConnected(const DtlsClient& client) override;
  void OnDtlsMessage(const DtlsClient& client, const uint8_t* data, size_t length) override;
  void OnDtlsDropped() override { table_.counters().Add(kRelayDroppedMalformed); }
  void OnDtlsClosed(const DtlsClient& client) override;

 private:
  static constexpr size_t kEvents = 256;
  static constexpr size_t kBatch = 64;

  enum class Kind : uint8_t { kMail, kUdp, kDtls, kShared, kRelay, kListener, kClient, kTcpRelay, kPeer };

  static constexpr uint32_t kNotWatched = ~uint32_t{0};

  // Whatever epoll watches.
  struct Watched {
    explicit Watched(Kind k) : kind(k) {}
    virtual ~Watched() = default;
    const Kind kind;
    // Closed; events that were fetched before are to be ignored.
    bool dead = false;
    uint32_t watching = kNotWatched;
  };
  struct Mail : Watched {
    Mail() : Watched(Kind::kMail) {}
    UniqueFd fd;
  };
  // A listener, a shared port or the port of a relay.
  struct UdpSocket : Watched {
    using Watched::Watched;
    ~UdpSocket() override;
    UniqueFd fd;
    SocketId id = 0;
    NetAddress local;
    SendQueue::Socket out;
    std::unique_ptr<DtlsServer> dtls;
    Relay* relay = nullptr;
    // Whether the last reading found a single datagram. Then one is asked for: asking for more costs a second look.
    bool reads_one = false;
    // Of a relay's port: where it is given back.
    PortPool* pool = nullptr;
  };
  struct Listener : Watched {
    Listener() : Watched(Kind::kListener) {}
    UniqueFd fd;
    NetAddress local;
    RelayTransport transport = RelayTransport::kTcp;
  };
  struct PeerStream;
  struct ClientStream : Watched {
    ClientStream(UniqueFd fd, SSL_CTX* context) : Watched(Kind::kClient), stream(std::move(fd), context) {}
    RelayStream stream;
    RelayClientKey key;
    int64_t opened_us = 0;
    int64_t last_message_us = 0;
    bool heard = false;
    bool dirty = false;
    // A ConnectionBind was handed up: what follows it may be the peer's.
    bool held = false;
    bool ended = false;
    bool finished = false;
    std::vector<uint8_t> pending;
    size_t skip = 0;
    PeerStream* joined = nullptr;
  };
  struct PeerStream : Watched {
    explicit PeerStream(UniqueFd fd) : Watched(Kind::kPeer), stream(std::move(fd), nullptr) {}
    RelayStream stream;
    SocketId incoming_id = 0;
    bool has_connection = false;
    ConnectionId connection = 0;
    Relay* relay = nullptr;
    NetAddress remote;
    bool connecting = false;
    int64_t opened_us = 0;
    bool ended = false;
    bool finished = false;
    std::unique_ptr<ClientStream> client;
  };
  struct TcpRelayPort : Watched {
    TcpRelayPort() : Watched(Kind::kTcpRelay) {}
    ~TcpRelayPort() override;
    UniqueFd fd;
    NetAddress local;
    Relay* relay = nullptr;
    PortPool* pool = nullptr;
    size_t waiting = 0;
  };
  // What closes with a relay.
  struct Ports : RelayResource {
    std::unique_ptr<UdpSocket> udp;
    std::unique_ptr<UdpSocket> own;
    std::unique_ptr<TcpRelayPort> tcp;
  };
  struct ReceiveBatch {
    uint8_t data[kBatch][kMaxDatagram];
    sockaddr_storage from[kBatch];
    iovec parts[kBatch];
    mmsghdr messages[kBatch];
  };

  SocketId NextId() const;
  bool Watch(Watched* watched, int fd, uint32_t events);
  void Unwatch(Watched* watched, int fd);
  void Bury(std::unique_ptr<Watched> watched);
  void Loop();
  int Timeout() const;
  void Gather(int64_t woken_us);
  void TakeMail();
  void Tick();
  void ExpireConnections();
  void Dispatch(Watched* watched, uint32_t ready);

  template <typename F>
  void ReadDatagrams(UdpSocket* socket, F take);
  void OnUdp(UdpSocket* socket, uint32_t ready);
  void ReadErrors(UdpSocket* socket);
  std::unique_ptr<UdpSocket> WatchRelayPort(RelayPortLease lease, Relay* relay);
  const char* OpenPort(const RelayRequest& request, RelayPortLease* lease);
  bool SendUnfragmented(UdpSocket* socket, const NetAddress& peer, size_t length);
  UdpSocket* OwnPort(Relay* relay, Ports* ports);

  void Accept(Listener* listener);
  void OnClient(ClientStream* client, uint32_t ready);
  bool ReadClient(ClientStream* client);
  // False when the connection must be closed.
  bool TakeMessages(ClientStream* client, const uint8_t* data, size_t length);
  void WatchClient(ClientStream* client);
  void FlushDirty();
  void CloseStream(ClientStream* client, bool tell);
  bool IsThere(const RelayClientKey& key);
  DtlsClient* FindDtls(const RelayClientKey& key);
  bool QueueToClient(const RelayClientKey& key, const uint8_t* data, size_t length, bool media);

  void AcceptPeers(TcpRelayPort* port);
  void OnPeer(PeerStream* peer, uint32_t ready);
  void Adopt(ConnectionId connection, std::unique_ptr<ClientStream> client);
  void PumpThrottled();
  void PumpToPeer(PeerStream* peer);
  void PumpToClient(PeerStream* peer);
  void FinishPipes(PeerStream* peer);
  void WatchPipes(PeerStream* peer);
  void ClosePeer(PeerStream* peer, bool tell);
  void TellPeer(RelayEventType type, ConnectionId connection);

  RelayThreadOptions options_;
  uint32_t index_;
  std::shared_ptr<PortPool> pool_;
  std::shared_ptr<TcpLimits> limits_;
  std::function<void()> wake_;
  std::shared_ptr<const TlsContexts> contexts_;
  std::vector<RelayThread*> threads_;
  UniqueFd epoll_;
  // Given up for a moment when descriptors are short, so that who waits can be turned away.
  UniqueFd spare_;
  Mail mail_;
  std::vector<std::unique_ptr<UdpSocket>> udp_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  // By the id that events carry: UDP listeners, and streams.
  std::unordered_map<SocketId, UdpSocket*> udp_by_id_;
  std::unordered_map<SocketId, std::unique_ptr<ClientStream>> clients_;
  std::unordered_map<SocketId, DtlsClient*> dtls_clients_;
  std::unordered_map<SocketId, std::unique_ptr<PeerStream>> peers_;
  std::unordered_map<ConnectionId, PeerStream*> connections_;
  UdpSocket* shared_[2] = {};
  std::vector<ClientStream*> dirty_;
  std::vector<std::unique_ptr<Watched>> graveyard_;
  // Connections that the bandwidth cap stopped.
  bool has_throttled_ = false;
  std::unique_ptr<ReceiveBatch> in_;
  std::unique_ptr<uint8_t[]> scratch_;
  int64_t now_us_ = 0;
  int64_t next_tick_us_ = 0;
  // Packets since the last look at how busy the thread is.
  uint64_t counted_packets_ = 0;
  int64_t counted_us_ = 0;
  bool is_busy_ = false;
  uint32_t ticks_ = 0;
  int64_t accept_paused_until_us_ = 0;

  EventQueue events_;
  EventThrottle icmp_;
  Counters sent_;
  RelayTable table_;
  SendQueue out_;

  std::mutex mail_mutex_;
  std::condition_variable task_done_;
  std::vector<uint8_t> commands_;
  std::vector<uint8_t> commands_taken_;
  std::vector<std::function<void()>> tasks_;
  const std::function<void()>* awaited_ = nullptr;
  bool stopped_ = true;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace conclave
