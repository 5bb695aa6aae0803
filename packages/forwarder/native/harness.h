// The flow table with a sink that records, for tests.
#pragma once

#include <vector>

#include "flow_table.h"

namespace conclave {

class Harness : public Sink {
 public:
  explicit Harness(const TableOptions& options) : table_(options, this) {}

  FlowTable& table() { return table_; }
  int64_t now_us() const { return now_us_; }
  void Receive(int64_t now_us, const PathKey& path, const uint8_t* data, size_t length);
  void Tick(int64_t now_us);
  void Execute(const uint8_t* commands, size_t length);

  // Records of type 100 (path, bytes) of what was sent, and events; cleared by the caller.
  std::vector<uint8_t> sent;
  std::vector<uint8_t> events;

  uint8_t* Reserve() override { return buffer_; }
  void Commit(const PathKey& path, size_t length, bool media) override;
  void Emit(EventRecord* record, bool from_anyone) override;
  void CloseConnection(SocketId) override {}
  void AddRelayedPath(SocketId, const PathKey&, uint16_t, const NetAddress&) override {}

 private:
  int64_t now_us_ = 0;
  uint8_t buffer_[kMaxOutgoing];
  FlowTable table_;
};

}  // namespace conclave
