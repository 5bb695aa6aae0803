// The rules of one relay thread and what they do to messages and datagrams. No sockets, no clock, no threads: time is an
// argument and everything that leaves goes into a sink. Never blocks.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "event_queue.h"
#include "relay_counters.h"
#include "relay_message.h"
#include "relay_types.h"
#include "source_limiter.h"
#include "token_bucket.h"

namespace conclave {

struct RelayClient;
struct RelayChannel;

// What a thread has to close together with a relay.
class RelayResource {
 public:
  virtual ~RelayResource() = default;
};

struct Relay {
  RelayId id = 0;
  RelayClient* client = nullptr;
  bool tcp = false;
  bool shared = false;
  // The relayed address.
  NetAddress address;
  // Of a shared relay that needed a port of its own.
  bool has_own_port = false;
  NetAddress own_port;
  // Without ports, sorted.
  std::vector<NetAddress> permissions;
  std::unordered_map<NetAddress, RelayChannel*, NetAddressHash> channel_of_peer;
  // Peers of a shared port that are this relay's.
  std::vector<NetAddress> claims;
  TokenBucket from_client;
  TokenBucket to_client;
  RelayTotals totals;
  std::unique_ptr<RelayResource> resource;

  bool Permits(const NetAddress& peer) const;
};

struct RelayChannel {
  uint16_t number = 0;
  NetAddress peer;
  Relay* relay = nullptr;
  // Whether the relay permits the peer; kept, so that a packet needs no second search.
  bool permitted = false;
};

// A client with at least one relay.
struct RelayClient {
  RelayClientKey key;
  bool is_stream = false;
  // Of IPv4 and IPv6; null if it has none.
  Relay* relays[2] = {};
  // Sorted by number.
  std::vector<std::unique_ptr<RelayChannel>> channels;

  RelayChannel* Channel(uint16_t number) const;
};

// Where datagrams and events go.
class RelaySink {
 public:
  virtual ~RelaySink() = default;
  // Room for one datagram of kMaxOutgoing bytes, valid until it is sent or the next Reserve.
  virtual uint8_t* Reserve() = 0;
  // Sends what was written there. False when it was dropped, which the sink counts.
  virtual bool SendToClient(const RelayClient& client, size_t length) = 0;
  // `own_port`: from a shared relay's own port, which is opened if need be.
  virtual bool SendToPeer(Relay* relay, const NetAddress& peer, size_t length, bool dont_fragment, bool own_port) = 0;
  virtual void EmitRelay(EventRecord* record, bool from_anyone) = 0;
};

enum class RelayEventType : uint8_t {
  kMessage = 1,
  kClientClosed = 2,
  kRelayOpened = 3,
  kRelayFailed = 4,
  kRelayClosed = 5,
  kIcmp = 6,
  kPeerConnected = 7,
  kPeerClosed = 8,
  kPeerIncoming = 9,
};
inline EventRecord NewRelayRecord(RelayEventType type) { return EventRecord(static_cast<EventType>(type)); }
void AppendClient(EventRecord* record, const RelayClientKey& client);

class RelayTable {
 public:
  // `seed` goes into the transaction ids of Data indications, `limiter_seed` into the limit of messages.
  RelayTable(RelaySink* sink, uint32_t messages_per_second, uint32_t seed, uint64_t limiter_seed)
      : sink_(sink), limiter_(messages_per_second, limiter_seed), seed_(seed) {}

  // Rules, as in relay-table.ts. Whether the relay can be added: its id is new, and its client has none of the family.
  bool MayAdd(const RelayRequest& request) const;
  Relay* AddRelay(const RelayRequest& request, const NetAddress& address, bool shared);
  // Tells `relay-closed`.
  void RemoveRelay(Relay* relay);
  Relay* Find(RelayId id) const;
  void AddPermission(RelayId id, const NetAddress& peer);
  void RemovePermission(RelayId id, const NetAddress& peer);
  void BindChannel(RelayId id, uint16_t number, const NetAddress& peer);
  void UnbindChannel(RelayId id, uint16_t number);
  void SendToPeer(RelayId id, const NetAddress& peer, const uint8_t* data, size_t length, bool dont_fragment);
  // The shared ports of this server, to which nothing is sent from a shared port.
  void SetSharedAddresses(std::vector<NetAddress> addresses) { shared_addresses_ = std::move(addresses); }

  // The ports of peers that clients may send to, both ends included; at first all.
  void SetPeerPorts(uint16_t first, uint16_t last) {
    first_peer_port_ = first;
    last_peer_port_ = last;
  }

  bool HasRelay(const PathKey& client) const { return clients_.count(client) != 0; }
  // One datagram, or one message of a stream without padding.
  void FromClient(int64_t now_us, const RelayClientKey& client, const uint8_t* data, size_t length);
  // One datagram that came to a relay's own port.
  void FromPeer(int64_t now_us, Relay* relay, const NetAddress& peer, const uint8_t* data, size_t length);
  // One that came to this thread's shared port of the peer's family.
  void FromSharedPeer(int64_t now_us, const NetAddress& peer, const uint8_t* data, size_t length);

  // Ten numbers for each relay: its id and totals.
  void ReadTotals(std::vector<double>* out) const;
  RelayCounters& counters() { return counters_; }

 private:
  // Peers a shared relay may claim. Lower: relays with many peers lose some; higher: more memory for one client.
  static constexpr size_t kMaxClaims = 256;

  struct SharedPort {
    std::unordered_map<NetAddress, Relay*, NetAddressHash> claims;
    std::unordered_map<NetAddress, std::vector<Relay*>, NetAddressHash> permitting;
  };

  SharedPort& Shared(uint8_t family) { return shared_[family == 6]; }
  void TakeChannelData(int64_t now_us, const RelayClientKey& key, const uint8_t* data, size_t length);
  void TakeSend(int64_t now_us, const RelayClientKey& key, const uint8_t* data, size_t length);
  void TakeMessage(int64_t now_us, const RelayClientKey& key, const uint8_t* data, size_t length);
  void ToPeer(int64_t now_us, Relay* relay, const NetAddress& peer, bool permitted, const uint8_t* data, size_t length,
              size_t wire_length, bool dont_fragment);
  void Transmit(Relay* relay, const NetAddress& peer, const uint8_t* data, size_t length, bool dont_fragment);
  // False when the datagram cannot be sent; `*own_port` is from which port otherwise.
  bool Claim(Relay* relay, const NetAddress& peer, bool* own_port);
  void DropClaims(Relay* relay, const NetAddress& address);
  void RemoveChannel(RelayClient* client, uint16_t number);
  Relay* OwnerOf(const NetAddress& peer);

  RelaySink* sink_;
  RelayCounters counters_;
  SourceLimiter limiter_;
  uint32_t seed_;
  uint64_t indications_ = 0;
  uint16_t first_peer_port_ = 0;
  uint16_t last_peer_port_ = 65535;
  std::unordered_map<PathKey, std::unique_ptr<RelayClient>, PathHash> clients_;
  std::unordered_map<RelayId, std::unique_ptr<Relay>> relays_;
  SharedPort shared_[2];
  std::vector<NetAddress> shared_addresses_;
};

}  // namespace conclave
