// The relay table with a sink that records, for tests.
#pragma once

#include <vector>

#include "relay_command.h"
#include "relay_table.h"

namespace conclave {

class RelayHarness : public RelaySink, public RelayRules {
 public:
  explicit RelayHarness(uint32_t messages_per_second, uint32_t seed) : table_(this, messages_per_second, seed, 0) {}

  void FromClient(int64_t now_us, const RelayClientKey& client, const uint8_t* data, size_t length);
  void FromPeer(int64_t now_us, RelayId relay, const NetAddress& peer, const uint8_t* data, size_t length);
  RelayTable& table() { return table_; }

  // Records of type 100 (client, bytes) and 101 (relay, peer, DF, bytes) of what was sent, and events; cleared by the
  // caller.
  std::vector<uint8_t> sent;
  std::vector<uint8_t> events;

  uint8_t* Reserve() override { return buffer_; }
  bool SendToClient(const RelayClient& client, size_t length) override;
  bool SendToPeer(Relay* relay, const NetAddress& peer, size_t length, bool dont_fragment, bool own_port) override;
  void EmitRelay(EventRecord* record, bool from_anyone) override;

  void OpenRelay(const RelayRequest& request) override;
  void CloseRelay(RelayId id) override;
  void AddPermission(RelayId id, const NetAddress& peer) override { table_.AddPermission(id, peer); }
  void RemovePermission(RelayId id, const NetAddress& peer) override { table_.RemovePermission(id, peer); }
  void BindChannel(RelayId id, uint16_t number, const NetAddress& peer) override { table_.BindChannel(id, number, peer); }
  void UnbindChannel(RelayId id, uint16_t number) override { table_.UnbindChannel(id, number); }
  void SendToPeer(RelayId id, const NetAddress& peer, const uint8_t* data, size_t length, bool dont_fragment) override {
    table_.SendToPeer(id, peer, data, length, dont_fragment);
  }
  // Without sockets there is nothing to do for these.
  void Send(const RelayClientKey&, const uint8_t*, size_t) override {}
  void CloseClient(const RelayClientKey&) override {}
  void ConnectPeer(RelayId, ConnectionId, const NetAddress&) override {}
  void AcceptPeer(SocketId, ConnectionId) override {}
  void RefusePeer(SocketId) override {}
  void JoinConnection(ConnectionId, const RelayClientKey&, uint32_t) override {}
  void CloseConnection(ConnectionId) override {}

 private:
  uint8_t buffer_[kMaxOutgoing];
  RelayTable table_;
};

}  // namespace conclave
