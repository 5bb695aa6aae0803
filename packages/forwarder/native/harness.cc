#include "harness.h"

#include <algorithm>

#include "command.h"

namespace conclave {
namespace {
constexpr EventType kSentRecord = static_cast<EventType>(100);
}

void Harness::Receive(int64_t now_us, const PathKey& path, const uint8_t* data, size_t length) {
  Tick(now_us);
  // An exact copy, so that a memory checker sees every step beyond the datagram.
  std::vector<uint8_t> copy(data, data + length);
  table_.Receive(now_us, path, copy.data(), length, now_us);
}

void Harness::Tick(int64_t now_us) {
  now_us_ = now_us;
  table_.Tick(now_us);
}

void Harness::Execute(const uint8_t* commands, size_t length) { ExecuteCommands(&table_, this, now_us_, commands, length); }

void Harness::Commit(const PathKey& path, size_t length, bool) {
  EventRecord record(kSentRecord);
  record.Path(path).Bytes(buffer_, length);
  const uint8_t* data = record.Finish();
  sent.insert(sent.end(), data, data + record.size());
  table_.counters().Add(kSentPackets);
  table_.counters().Add(kSentBytes, length);
}

void Harness::Emit(EventRecord* record, bool) {
  const uint8_t* data = record->Finish();
  events.insert(events.end(), data, data + record->size());
}

}  // namespace conclave
