#include "port_pool.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "socket_address.h"

namespace conclave {
namespace {

// Tries at random before all ports are looked at in turn: with a range three quarters full almost always enough.
constexpr int kRandomTries = 24;
// Ports of other programs that are stumbled over before giving up. A bound for what one request costs.
constexpr int kMaxBinds = 256;
constexpr int kListenBacklog = 32;

uint32_t RandomBelow(uint32_t bound) {
  uint32_t value = 0;
  if (getrandom(&value, sizeof value, 0) != sizeof value) return 0;
  return static_cast<uint32_t>(uint64_t{value} * bound >> 32);
}

}  // namespace

void SetDontFragment(int fd, uint8_t family, bool on) {
  const int mode = family == 6 ? (on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT) : (on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
  if (family == 6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &mode, sizeof mode);
  } else {
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof mode);
  }
}

UniqueFd BindRelaySocket(const NetAddress& address, bool tcp, NetAddress* bound) {
  const int family = address.family == 6 ? AF_INET6 : AF_INET;
  UniqueFd fd(socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return UniqueFd();
  const int on = 1;
  if (family == AF_INET6 && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) return UniqueFd();
  if (tcp) {
    // Connections to peers come from the port that listens (RFC 6062 5.2). Which ports are ours the pool knows.
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return UniqueFd();
  } else {
    SetDontFragment(fd.get(), address.family, false);
    if (family == AF_INET6) {
      setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    } else {
      setsockopt(fd.get(), IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    }
  }
  sockaddr_storage name{};
  socklen_t length = ToSockaddr(address, &name);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), length) != 0) return UniqueFd();
  length = sizeof name;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length) != 0) return UniqueFd();
  *bound = FromSockaddr(name);
  return fd;
}

const RelayAddressRange* PortPool::RangeOf(uint8_t family) const {
  for (const RelayAddressRange& range : ranges_) {
    if (range.address.family == family) return &range;
  }
  return nullptr;
}

bool PortPool::TryPort(const RelayAddressRange& range, bool tcp, uint32_t port, bool even, const RelayId* held,
                       RelayPortLease* lease) {
  Ports& taken = Taken(range.address.family, tcp);
  if (port < range.first_port || port > range.last_port || taken[port]) return false;
  if (even && port % 2 != 0) return false;
  if (held != nullptr && (port + 1 > range.last_port || taken[port + 1])) return false;
  NetAddress address = range.address;
  address.port = static_cast<uint16_t>(port);
  UniqueFd fd = BindRelaySocket(address, tcp, &lease->address);
  if (fd.get() < 0 || (tcp && listen(fd.get(), kListenBacklog) != 0)) return false;
  if (held != nullptr) {
    RelayPortLease next;
    ++address.port;
    next.fd = BindRelaySocket(address, tcp, &next.address);
    if (next.fd.get() < 0) return false;
    next.tcp = tcp;
    taken.set(port + 1);
    held_[*held] = std::move(next);
  }
  taken.set(port);
  lease->fd = std::move(fd);
  lease->tcp = tcp;
  return true;
}

bool PortPool::Open(uint8_t family, bool tcp, bool even, const RelayId* held, RelayPortLease* lease) {
  const RelayAddressRange* const range = RangeOf(family);
  if (range == nullptr || range->first_port == 0 || range->last_port < range->first_port) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (held != nullptr && held_.count(*held) != 0) return false;
  const uint32_t count = uint32_t{range->last_port} - range->first_port + 1;
  for (int i = 0; i < kRandomTries; ++i) {
    if (TryPort(*range, tcp, range->first_port + RandomBelow(count), even, held, lease)) return true;
  }
  const uint32_t start = RandomBelow(count);
  const Ports& taken = Taken(family, tcp);
  int binds = 0;
  for (uint32_t i = 0; i < count && binds < kMaxBinds; ++i) {
    const uint32_t port = range->first_port + (start + i) % count;
    if (taken[port]) continue;
    if (TryPort(*range, tcp, port, even, held, lease)) return true;
    ++binds;
  }
  return false;
}

bool PortPool::TakeHeld(RelayId id, RelayPortLease* lease) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto it = held_.find(id);
  if (it == held_.end()) return false;
  *lease = std::move(it->second);
  held_.erase(it);
  return true;
}

void PortPool::DropHeld(RelayId id) {
  RelayPortLease lease;
  if (TakeHeld(id, &lease)) Release(lease.address, lease.tcp);
}

void PortPool::Release(const NetAddress& address, bool tcp) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const RelayAddressRange* const range = RangeOf(address.family);
  if (range == nullptr || address.port < range->first_port || address.port > range->last_port) return;
  Taken(address.family, tcp).reset(address.port);
}

}  // namespace conclave
