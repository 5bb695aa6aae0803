// The ports of relays, for all threads: which are taken, and which are held for an allocation to come.
#pragma once

#include <bitset>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "relay_types.h"
#include "unique_fd.h"

namespace conclave {

struct RelayAddressRange {
  NetAddress address;
  uint16_t first_port = 0;
  uint16_t last_port = 0;
  bool shared = false;
  uint16_t shared_port = 0;
};

// A bound socket of a relay. TCP ones listen.
struct RelayPortLease {
  UniqueFd fd;
  NetAddress address;
  bool tcp = false;
};

class PortPool {
 public:
  explicit PortPool(std::vector<RelayAddressRange> ranges) : ranges_(std::move(ranges)) {}

  // Null if there is no address of the family.
  const RelayAddressRange* RangeOf(uint8_t family) const;
  // Takes a port of the range at random, an even one if asked for, and holds the next under `*held` if that is not null.
  // False if there is none.
  bool Open(uint8_t family, bool tcp, bool even, const RelayId* held, RelayPortLease* lease);
  // Hands out the port that is held under this id.
  bool TakeHeld(RelayId id, RelayPortLease* lease);
  // Gives up the port that is held under this id.
  void DropHeld(RelayId id);
  // To be called when the socket is closed.
  void Release(const NetAddress& address, bool tcp);

 private:
  using Ports = std::bitset<65536>;
  Ports& Taken(uint8_t family, bool tcp) { return taken_[(family == 6 ? 2 : 0) + (tcp ? 1 : 0)]; }
  bool TryPort(const RelayAddressRange& range, bool tcp, uint32_t port, bool even, const RelayId* held,
               RelayPortLease* lease);

  const std::vector<RelayAddressRange> ranges_;
  std::mutex mutex_;
  Ports taken_[4];
  std::unordered_map<RelayId, RelayPortLease> held_;
};

// A non-blocking socket for relaying, bound to this address: datagrams may be fragmented, ICMP errors are told. TCP ones
// may be bound to one port several times. Of fd -1 when that fails, with errno set.
UniqueFd BindRelaySocket(const NetAddress& address, bool tcp, NetAddress* bound);
// The DF bit of what the socket sends.
void SetDontFragment(int fd, uint8_t family, bool on);

}  // namespace conclave
