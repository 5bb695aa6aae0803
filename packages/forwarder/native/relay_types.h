// Ids, requests and totals of relays.
#pragma once

#include <cstdint>

#include "types.h"

namespace conclave {

using RelayId = uint32_t;
using ConnectionId = uint32_t;

enum class RelayTransport : uint8_t { kUdp = 0, kTcp = 1, kTls = 2, kDtls = 3 };

// A client's 5-tuple and the way to it: the listener's socket of one thread, or its connection.
struct RelayClientKey {
  RelayTransport transport = RelayTransport::kUdp;
  PathKey path;
  NetAddress local;
};

struct RelayRequest {
  RelayId id = 0;
  bool tcp = false;
  uint8_t family = 4;
  bool even_port = false;
  bool reserves_next = false;
  bool reserved = false;
  RelayId next_id = 0;
  double max_bytes_per_second = 0;
  RelayClientKey client;
};

// As RelayTotals in relay-table.ts.
struct RelayTotals {
  uint64_t from_client_packets = 0;
  uint64_t from_client_bytes = 0;
  uint64_t to_client_packets = 0;
  uint64_t to_client_bytes = 0;
  uint64_t from_peer_packets = 0;
  uint64_t from_peer_bytes = 0;
  uint64_t to_peer_packets = 0;
  uint64_t to_peer_bytes = 0;
  uint64_t capped_packets = 0;
};

struct NetAddressHash {
  size_t operator()(const NetAddress& address) const { return PathHash()({0, address}); }
};

// The address alone, as permissions name it.
inline NetAddress WithoutPort(NetAddress address) {
  address.port = 0;
  return address;
}

}  // namespace conclave
