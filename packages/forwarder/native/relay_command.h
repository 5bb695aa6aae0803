// Relay rules as JavaScript encodes them: the records of command.h with operations of their own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "command.h"
#include "relay_types.h"

namespace conclave {

// What relay-table.ts says. One decoder serves the threads and the harness.
class RelayRules {
 public:
  virtual ~RelayRules() = default;
  virtual void OpenRelay(const RelayRequest& request) = 0;
  virtual void CloseRelay(RelayId id) = 0;
  virtual void AddPermission(RelayId id, const NetAddress& peer) = 0;
  virtual void RemovePermission(RelayId id, const NetAddress& peer) = 0;
  virtual void BindChannel(RelayId id, uint16_t channel, const NetAddress& peer) = 0;
  virtual void UnbindChannel(RelayId id, uint16_t channel) = 0;
  virtual void SendToPeer(RelayId id, const NetAddress& peer, const uint8_t* data, size_t length, bool dont_fragment) = 0;
  virtual void Send(const RelayClientKey& client, const uint8_t* data, size_t length) = 0;
  virtual void CloseClient(const RelayClientKey& client) = 0;
  virtual void ConnectPeer(RelayId id, ConnectionId connection, const NetAddress& peer) = 0;
  virtual void AcceptPeer(SocketId incoming, ConnectionId connection) = 0;
  virtual void RefusePeer(SocketId incoming) = 0;
  // `thread` is the connection's; the call comes on the client's.
  virtual void JoinConnection(ConnectionId connection, const RelayClientKey& client, uint32_t thread) = 0;
  virtual void CloseConnection(ConnectionId connection) = 0;
};

RelayClientKey ReadRelayClient(FieldReader* r);

// Carries out all records. A record that is cut off ends it.
void ExecuteRelayCommands(RelayRules* rules, const uint8_t* data, size_t length);

}  // namespace conclave
