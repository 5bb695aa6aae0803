// Between NetAddress and the kernel's addresses, and what all sockets are set to.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "types.h"

namespace conclave {

inline NetAddress FromSockaddr(const sockaddr_storage& from) {
  NetAddress address;
  if (from.ss_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, &from, sizeof in6);
    address.family = 6;
    std::memcpy(address.bytes, &in6.sin6_addr, 16);
    address.port = ntohs(in6.sin6_port);
  } else {
    sockaddr_in in;
    std::memcpy(&in, &from, sizeof in);
    std::memcpy(address.bytes, &in.sin_addr, 4);
    address.port = ntohs(in.sin_port);
  }
  return address;
}

// Returns the length.
inline socklen_t ToSockaddr(const NetAddress& address, sockaddr_storage* to) {
  if (address.family == 6) {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    std::memcpy(&in6.sin6_addr, address.bytes, 16);
    in6.sin6_port = htons(address.port);
    std::memcpy(to, &in6, sizeof in6);
    return sizeof in6;
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  std::memcpy(&in.sin_addr, address.bytes, 4);
  in.sin_port = htons(address.port);
  std::memcpy(to, &in, sizeof in);
  return sizeof in;
}

// With the privilege beyond the system's limit, else what that allows; less is no failure.
inline void SetBuffer(int fd, int forced, int option, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0) {
    setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
  }
}

}  // namespace conclave
