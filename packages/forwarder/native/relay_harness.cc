#include "relay_harness.h"

namespace conclave {
namespace {

constexpr uint8_t kSentToClient = 100;
constexpr uint8_t kSentToPeer = 101;

void Append(std::vector<uint8_t>* to, EventRecord* record) {
  const uint8_t* const data = record->Finish();
  to->insert(to->end(), data, data + record->size());
}

// 192.0.2.1 and 2001:db8::1, with a port by the relay's id.
NetAddress AddressOf(const RelayRequest& request) {
  NetAddress address;
  address.family = request.family;
  address.port = static_cast<uint16_t>(request.id);
  const uint8_t v4[4] = {192, 0, 2, 1};
  const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (request.family == 6) {
    std::memcpy(address.bytes, v6, sizeof v6);
  } else {
    std::memcpy(address.bytes, v4, sizeof v4);
  }
  return address;
}

}  // namespace

void RelayHarness::FromClient(int64_t now_us, const RelayClientKey& client, const uint8_t* data, size_t length) {
  if (length > kMaxDatagram) return table_.counters().Add(kRelayDroppedOversize);
  table_.FromClient(now_us, client, data, length);
}

void RelayHarness::FromPeer(int64_t now_us, RelayId id, const NetAddress& peer, const uint8_t* data, size_t length) {
  if (length > kMaxDatagram) return table_.counters().Add(kRelayDroppedOversize);
  Relay* const relay = table_.Find(id);
  if (relay != nullptr) table_.FromPeer(now_us, relay, peer, data, length);
}

bool RelayHarness::SendToClient(const RelayClient& client, size_t length) {
  EventRecord record(static_cast<EventType>(kSentToClient));
  AppendClient(&record, client.key);
  record.Bytes(buffer_, length);
  Append(&sent, &record);
  table_.counters().Add(kRelaySentPackets);
  table_.counters().Add(kRelaySentBytes, length);
  return true;
}

bool RelayHarness::SendToPeer(Relay* relay, const NetAddress& peer, size_t length, bool dont_fragment, bool) {
  EventRecord record(static_cast<EventType>(kSentToPeer));
  record.U32(relay->id).Path({0, peer}).U8(dont_fragment).Bytes(buffer_, length);
  Append(&sent, &record);
  table_.counters().Add(kRelaySentPackets);
  table_.counters().Add(kRelaySentBytes, length);
  return true;
}

void RelayHarness::EmitRelay(EventRecord* record, bool) { Append(&events, record); }

void RelayHarness::OpenRelay(const RelayRequest& request) {
  if (table_.Find(request.id) != nullptr) return;
  if (!table_.MayAdd(request) || request.tcp) {
    const char reason[] = "no-client";
    EventRecord record = NewRelayRecord(RelayEventType::kRelayFailed);
    record.U32(request.id).Bytes(reinterpret_cast<const uint8_t*>(reason), sizeof reason - 1);
    return Append(&events, &record);
  }
  const NetAddress address = AddressOf(request);
  table_.AddRelay(request, address, false);
  EventRecord record = NewRelayRecord(RelayEventType::kRelayOpened);
  record.U32(request.id).Path({0, address});
  Append(&events, &record);
}

void RelayHarness::CloseRelay(RelayId id) {
  Relay* const relay = table_.Find(id);
  if (relay != nullptr) table_.RemoveRelay(relay);
}

}  // namespace conclave
