// Paths of a forwarding thread that lead through TURN servers.
#include "io_thread.h"
#include "relay_message.h"

namespace conclave {

void IoThread::AddRelayedPath(SocketId socket, const PathKey& via, uint16_t channel, const NetAddress& peer) {
  if (udp_.count(via.socket) != 0) relayed_.Add(socket, {via, channel, peer});
}

bool IoThread::ReceiveRelayed(int64_t now_us, const PathKey& via, uint8_t* data, size_t length, int64_t arrival_us) {
  if (length == 0 || !LooksLikeChannelData(data[0])) return false;
  ChannelData message;
  PathKey path;
  if (!ParseChannelData(data, length, &message)) {
    table_.counters().Add(kDroppedMalformed);
  } else if (!relayed_.Unwrap(via, message.channel, &path)) {
    table_.counters().Add(kDroppedNoPath);
  } else {
    table_.Receive(now_us, path, data + kChannelHeaderBytes, message.length, arrival_us);
  }
  return true;
}

void IoThread::CommitRelayed(const RelayedPaths::Relayed& relayed, const PathKey& path, size_t length, bool media) {
  if (!(relayed.peer == path.remote)) return table_.counters().Add(kDroppedNoSocket);
  if (length + kChannelHeaderBytes > kMaxDatagram) return table_.counters().Add(kDroppedOversize);
  // It was written where the header goes.
  uint8_t* const out = out_.Reserve();
  std::memmove(out + kChannelHeaderBytes, out, length);
  Commit(relayed.via, FrameChannelData(out, relayed.channel, length, false), media);
}

}  // namespace conclave
