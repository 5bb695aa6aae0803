#include "command.h"

#include <algorithm>
#include <cmath>

namespace conclave {
namespace {

enum Operation : uint8_t {
  kAddPeer = 1,
  kRemovePeer = 2,
  kSetPaths = 3,
  kSetSrtpKeys = 4,
  kSetRoundTrip = 5,
  kAddIngress = 6,
  kBindSsrc = 7,
  kRemoveIngress = 8,
  kRequestKeyFrame = 9,
  kAddEgress = 10,
  kRemoveEgress = 11,
  kSetSource = 12,
  kAddGroup = 13,
  kRemoveGroup = 14,
  kSetGroupReceiver = 15,
  kRemoveGroupReceiver = 16,
  kSetGroupSource = 17,
  kSetGroupPermissions = 18,
  kSend = 19,
  kClosePath = 20,
  kAddRelayedPath = 21,
};

void AddPeer(FlowTable* table, FieldReader* r) {
  const PeerId id = r->U32();
  PeerOptions o;
  o.feedback_ssrc = r->U32();
  o.cname = r->Text();
  o.extensions = r->Extensions();
  o.transport_feedback = r->U8() != 0;
  o.max_ssrcs = r->U32();
  if (r->ok()) table->AddPeer(id, o);
}

void SetPaths(FlowTable* table, FieldReader* r) {
  const PeerId id = r->U32();
  const size_t count = r->U16();
  std::vector<PathKey> accepted;
  for (size_t i = 0; i < count && r->ok(); ++i) accepted.push_back(r->Path());
  const bool has_send_path = r->U8() != 0;
  PathKey send_path;
  if (has_send_path) send_path = r->Path();
  if (r->ok()) table->SetPaths(id, accepted, has_send_path ? &send_path : nullptr);
}

void SetSrtpKeys(FlowTable* table, FieldReader* r) {
  const PeerId id = r->U32();
  SrtpKeyMaterial receive{};
  SrtpKeyMaterial send{};
  receive.profile = send.profile = static_cast<SrtpProfile>(r->U16());
  receive.key = r->Bytes(&receive.key_length);
  receive.salt = r->Bytes(&receive.salt_length);
  send.key = r->Bytes(&send.key_length);
  send.salt = r->Bytes(&send.salt_length);
  if (r->ok()) table->SetSrtpKeys(id, receive, send);
}

void AddIngress(FlowTable* table, FieldReader* r) {
  const IngressId id = r->U32();
  IngressOptions o;
  o.peer = r->U32();
  o.kind = r->U8() == 0 ? MediaKind::kAudio : MediaKind::kVideo;
  const uint8_t flags = r->U8();
  o.has_ssrc = flags & 1;
  o.has_rtx_ssrc = flags & 2;
  o.has_rtx_payload_type = flags & 4;
  o.nack = flags & 8;
  o.ssrc = r->U32();
  o.rtx_ssrc = r->U32();
  o.payload_type = r->U8();
  o.rtx_payload_type = r->U8();
  o.clock_rate = std::max<uint32_t>(1, r->U32());
  o.csrc = r->U32();
  o.rid = r->Text();
  if (r->ok()) table->AddIngress(id, o);
}

void AddEgress(FlowTable* table, FieldReader* r) {
  const EgressId id = r->U32();
  EgressOptions o;
  o.peer = r->U32();
  o.kind = r->U8() == 0 ? MediaKind::kAudio : MediaKind::kVideo;
  o.has_rtx = r->U8() != 0;
  o.ssrc = r->U32();
  o.rtx_ssrc = r->U32();
  o.payload_type = r->U8();
  o.rtx_payload_type = r->U8();
  o.clock_rate = std::max<uint32_t>(1, r->U32());
  o.extensions = r->Extensions();
  o.initial_sequence = r->U16();
  o.initial_timestamp = r->U32();
  o.initial_rtx_sequence = r->U16();
  if (r->ok()) table->AddEgress(id, o);
}

void SetSource(FlowTable* table, FieldReader* r, int64_t now_us) {
  const EgressId id = r->U32();
  const bool has_source = r->U8() != 0;
  const IngressId source = r->U32();
  const WishKind kind = r->U8() == 0 ? WishKind::kNow : WishKind::kKeyFrame;
  const int64_t deadline_us = now_us + std::llround(r->F64());
  if (r->ok()) table->SetSource(id, has_source ? &source : nullptr, kind, deadline_us);
}

void SetGroupSource(FlowTable* table, FieldReader* r) {
  const GroupId id = r->U32();
  const size_t slot = r->U16();
  const bool has_source = r->U8() != 0;
  const IngressId source = r->U32();
  if (r->ok()) table->SetGroupSource(id, slot, has_source ? &source : nullptr);
}

void Execute(FlowTable* table, Sink* sink, int64_t now_us, uint8_t operation, FieldReader* r) {
  switch (operation) {
    case kAddPeer: return AddPeer(table, r);
    case kSetPaths: return SetPaths(table, r);
    case kSetSrtpKeys: return SetSrtpKeys(table, r);
    case kAddIngress: return AddIngress(table, r);
    case kAddEgress: return AddEgress(table, r);
    case kSetSource: return SetSource(table, r, now_us);
    case kSetGroupSource: return SetGroupSource(table, r);
    case kSend: {
      const PathKey path = r->Path();
      size_t length = 0;
      const uint8_t* bytes = r->Bytes(&length);
      if (r->ok()) table->Send(path, bytes, length);
      return;
    }
    case kAddRelayedPath: {
      const PathKey path = r->Path();
      const PathKey via = r->Path();
      const uint16_t channel = r->U16();
      if (r->ok()) sink->AddRelayedPath(path.socket, via, channel, path.remote);
      return;
    }
    case kClosePath: {
      const double socket = r->F64();
      if (r->ok() && socket >= 0 && socket < 0x1p53) sink->CloseConnection(static_cast<SocketId>(socket));
      return;
    }
    default: break;
  }
  // The rest begins with an id.
  const uint32_t id = r->U32();
  switch (operation) {
    case kRemovePeer: return table->RemovePeer(id);
    case kRemoveIngress: return table->RemoveIngress(id);
    case kRequestKeyFrame: return table->RequestKeyFrame(id);
    case kRemoveEgress: return table->RemoveEgress(id);
    case kRemoveGroup: return table->RemoveGroup(id);
    case kAddGroup: return table->AddGroup(id, r->U16());
    case kBindSsrc: return table->BindSsrc(id, r->U32());
    case kRemoveGroupReceiver: return table->RemoveGroupReceiver(id, r->U32());
    case kSetRoundTrip: return table->SetRoundTrip(id, std::llround(r->F64()));
    case kSetGroupReceiver: {
      const PeerId peer = r->U32();
      return table->SetGroupReceiver(id, peer, r->Ids());
    }
    case kSetGroupPermissions: {
      const PeerId peer = r->U32();
      return table->SetGroupPermissions(id, peer, r->Ids());
    }
    default: return;
  }
}

}  // namespace

const uint8_t* FieldReader::Take(size_t count) {
  if (count > left()) {
    ok_ = false;
    p_ = end_;
    return nullptr;
  }
  const uint8_t* p = p_;
  p_ += count;
  return p;
}

uint8_t FieldReader::U8() {
  const uint8_t* p = Take(1);
  return p == nullptr ? 0 : *p;
}

uint16_t FieldReader::U16() {
  const uint8_t* p = Take(2);
  return p == nullptr ? 0 : static_cast<uint16_t>(p[0] | p[1] << 8);
}

uint32_t FieldReader::U32() {
  const uint8_t* p = Take(4);
  return p == nullptr ? 0 : uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
}

double FieldReader::F64() {
  const uint64_t low = U32();
  const uint64_t bits = low | uint64_t{U32()} << 32;
  double v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

const uint8_t* FieldReader::Bytes(size_t* length) {
  *length = U16();
  const uint8_t* p = Take(*length);
  if (p == nullptr) *length = 0;
  return p;
}

std::string FieldReader::Text() {
  size_t length = 0;
  const uint8_t* p = Bytes(&length);
  return p == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(p), length);
}

PathKey FieldReader::Path() {
  PathKey path;
  const double socket = F64();
  path.socket = socket >= 0 && socket < 0x1p53 ? static_cast<SocketId>(socket) : 0;
  path.remote.family = U8() == 6 ? 6 : 4;
  const size_t length = path.remote.family == 6 ? 16 : 4;
  const uint8_t* p = Take(length);
  if (p != nullptr) std::memcpy(path.remote.bytes, p, length);
  path.remote.port = U16();
  return path;
}

ExtensionIds FieldReader::Extensions() {
  ExtensionIds ids;
  for (uint8_t& id : ids.id) id = U8();
  return ids;
}

std::vector<uint32_t> FieldReader::Ids() {
  const size_t count = std::min<size_t>(U32(), left() / 4);
  std::vector<uint32_t> ids(count);
  for (uint32_t& id : ids) id = U32();
  return ids;
}

void ExecuteCommands(FlowTable* table, Sink* sink, int64_t now_us, const uint8_t* data, size_t length) {
  table->SetNow(now_us);
  while (length >= 5) {
    const size_t record = FieldReader(data, 4).U32();
    if (record < 5 || record > length) return;
    FieldReader reader(data + 5, record - 5);
    Execute(table, sink, now_us, data[4], &reader);
    data += record;
    length -= record;
  }
}

}  // namespace conclave
