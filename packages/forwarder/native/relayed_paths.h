// Ways to peers that lead through a TURN server: ChannelData on a datagram path of ours (RFC 8656 12.4). To the flow table
// they are paths like others.
#pragma once

#include <unordered_map>

#include "types.h"

namespace conclave {

class RelayedPaths {
 public:
  // Paths of one thread. A client has a few; the bound keeps a defect of the control plane from growing without end.
  static constexpr size_t kMaxPaths = 16384;

  struct Relayed {
    PathKey via;
    uint16_t channel = 0;
    NetAddress peer;
  };

  bool empty() const { return by_socket_.empty(); }

  // Replaces what had the socket's id, or the channel on that way.
  void Add(SocketId socket, const Relayed& relayed) {
    Remove(socket);
    const auto former = by_channel_.find({relayed.via, relayed.channel});
    if (former != by_channel_.end()) Remove(former->second);
    if (by_socket_.size() >= kMaxPaths) return;
    by_socket_[socket] = relayed;
    by_channel_[{relayed.via, relayed.channel}] = socket;
  }

  void Remove(SocketId socket) {
    const auto it = by_socket_.find(socket);
    if (it == by_socket_.end()) return;
    by_channel_.erase({it->second.via, it->second.channel});
    by_socket_.erase(it);
  }

  // Null unless it is a relayed path.
  const Relayed* Find(SocketId socket) const {
    const auto it = by_socket_.find(socket);
    return it == by_socket_.end() ? nullptr : &it->second;
  }

  // The path that a channel stands for. False if it is none.
  bool Unwrap(const PathKey& via, uint16_t channel, PathKey* path) const {
    const auto it = by_channel_.find({via, channel});
    if (it == by_channel_.end()) return false;
    *path = {it->second, by_socket_.find(it->second)->second.peer};
    return true;
  }

 private:
  struct ChannelKey {
    PathKey via;
    uint16_t channel;
    bool operator==(const ChannelKey& other) const { return channel == other.channel && via == other.via; }
  };
  struct ChannelHash {
    size_t operator()(const ChannelKey& key) const {
      return PathHash()(key.via) ^ key.channel * size_t{0x9e3779b97f4a7c15};
    }
  };
  std::unordered_map<SocketId, Relayed> by_socket_;
  std::unordered_map<ChannelKey, SocketId, ChannelHash> by_channel_;
};

}  // namespace conclave
