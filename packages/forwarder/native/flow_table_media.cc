// The packet path: from a datagram to the slots that take it.
#include <algorithm>

#include "flow_table.h"
#include "frame_descriptor.h"

namespace conclave {
namespace {

// Packets of unknown SSRCs kept for a rule: how long, how many and how many bytes per peer. Lower: the beginning of a
// stream is lost when the control plane is slow; higher: more memory for a peer that invents SSRCs.
constexpr int64_t kHoldUs = 50'000;
constexpr size_t kHoldPackets = 32;
constexpr size_t kHoldBytes = 32 * 1500;
// Spacing of events about one unknown SSRC, and how many SSRCs are remembered for it.
constexpr int64_t kUnknownSpacingUs = 1'000'000;
constexpr size_t kUnknownRemembered = 32;
// Needs for a key frame within this time are one.
constexpr int64_t kKeyFrameMergeUs = 50'000;

bool Equals(const ExtensionView& view, const std::string& text) {
  return view.data != nullptr && view.length == text.size() && std::memcmp(view.data, text.data(), text.size()) == 0;
}

}  // namespace

uint8_t FlowTable::PlanPadding(const PathKey& path, const uint8_t* data, size_t length, RunPlanner* planner) const {
  // Whether it has padding of its own, and how much, is said in its encrypted last byte.
  constexpr uint8_t kVersionAndPadding = 0xe0;
  constexpr uint8_t kVersion2 = 0x80;
  if (length == 0 || (data[0] & kVersionAndPadding) != kVersion2 || IsRtcp(data, length)) return 0;
  const auto it = paths_.find(path);
  if (it == paths_.end()) return 0;
  const Peer& peer = *it->second;
  RtpPacket rtp;
  // Headers are in the clear (RFC 3711 3.1). The tag counts as payload; all packets of a frame have one.
  if (!ParseRtp(data, length, peer.extensions, &rtp)) return 0;
  const size_t block = (ForwardedElements(rtp, peer.options.extensions) + 3) & ~size_t{3};
  return planner->PaddingFor(rtp.ssrc, rtp.timestamp, block + rtp.payload_length);
}

void FlowTable::Receive(int64_t now_us, const PathKey& path, uint8_t* data, size_t length, int64_t arrival_us,
                        uint8_t padding) {
  now_ = now_us;
  arrival_ = arrival_us;
  padding_ = padding;
  counters_.Add(kReceivedPackets);
  counters_.Add(kReceivedBytes, length);
  if (length == 0) return counters_.Add(kDroppedNotDemultiplexed);
  if (length > kMaxDatagram) return counters_.Add(kDroppedOversize);
  const uint8_t first = data[0];
  if (first <= 3) {
    if (paths_.find(path) == paths_.end() && !strangers_.Allow(path.remote, now_us)) {
      return counters_.Add(kDroppedStunRate);
    }
    EventRecord record(EventType::kStun);
    record.Path(path).Bytes(data, length);
    return sink_->Emit(&record, true);
  }
  const bool is_dtls = first >= 20 && first <= 63;
  const bool is_media = first >= 128 && first <= 191;
  if (!is_dtls && !is_media) return counters_.Add(kDroppedNotDemultiplexed);
  const auto it = paths_.find(path);
  if (it == paths_.end()) return counters_.Add(kDroppedNoPath);
  Peer* peer = it->second;
  if (is_dtls) {
    EventRecord record(EventType::kDtls);
    record.U32(peer->id).Path(path).Bytes(data, length);
    return sink_->Emit(&record, false);
  }
  if (peer->receiver == nullptr) return counters_.Add(kDroppedNoKeys);
  if (IsRtcp(data, length)) {
    ReceiveRtcp(peer, data, length);
  } else {
    ReceiveRtp(peer, data, length);
  }
}

void FlowTable::CountSrtpFailure(SrtpStatus status) {
  switch (status) {
    case SrtpStatus::kOk: return;
    case SrtpStatus::kMalformed: return counters_.Add(kDroppedMalformed);
    case SrtpStatus::kBadTag: return counters_.Add(kDroppedBadTag);
    case SrtpStatus::kReplayed: return counters_.Add(kDroppedReplayed);
    case SrtpStatus::kTooOld: return counters_.Add(kDroppedTooOld);
    case SrtpStatus::kTooManySsrcs: return counters_.Add(kDroppedTooManySsrcs);
    case SrtpStatus::kIndexExhausted:
    case SrtpStatus::kCryptoFailure: return counters_.Add(kDroppedCrypto);
  }
}

void FlowTable::EmitId(EventType type, uint32_t id) {
  EventRecord record(type);
  record.U32(id);
  sink_->Emit(&record, false);
}

void FlowTable::ReceiveRtp(Peer* peer, uint8_t* data, size_t length) {
  uint64_t extended_sequence = 0;
  const SrtpStatus status = peer->receiver->UnprotectRtp(data, &length, &extended_sequence);
  if (status != SrtpStatus::kOk) return CountSrtpFailure(status);
  HandleRtp(peer, data, length);
}

void FlowTable::HandleRtp(Peer* peer, const uint8_t* data, size_t length) {
  RtpPacket rtp;
  if (!ParseRtp(data, length, peer->extensions, &rtp)) return counters_.Add(kDroppedMalformed);
  const ExtensionView& transport = rtp.extensions[kTransportSequence];
  if (peer->options.transport_feedback && transport.length == 2) {
    peer->feedback.OnArrival(ReadU16(transport.data), arrival_);
    peer->feedback_media_ssrc = rtp.ssrc;
    if (peer->feedback.full()) SendTransportFeedback(peer);
  }
  const SsrcBinding* binding = peer->FindSsrc(rtp.ssrc);
  if (binding == nullptr) binding = BindByExtensions(peer, rtp);
  if (binding == nullptr) return HoldUnknown(peer, rtp, data, length);
  HandleStream(binding->ingress, binding->is_rtx, &rtp, data, length);
}

// Binds the SSRC to the stream whose rid, or repaired rid, the packet carries.
const SsrcBinding* FlowTable::BindByExtensions(Peer* peer, const RtpPacket& rtp) {
  for (Ingress* ingress : peer->ingresses) {
    const IngressOptions& o = ingress->options;
    if (o.rid.empty()) continue;
    const bool repair = o.has_rtx_payload_type && rtp.payload_type == o.rtx_payload_type;
    if (repair) {
      if (ingress->rtx_ssrc_known || !Equals(rtp.extensions[kRepairedRid], o.rid)) continue;
      ingress->rtx_ssrc_known = true;
      ingress->rtx_ssrc = rtp.ssrc;
    } else {
      if (ingress->ssrc_known || rtp.payload_type != o.payload_type || !Equals(rtp.extensions[kRid], o.rid)) continue;
      ingress->Bind(rtp.ssrc);
    }
    peer->bindings.push_back({rtp.ssrc, ingress, repair});
    return &peer->bindings.back();
  }
  return nullptr;
}

void FlowTable::HoldUnknown(Peer* peer, const RtpPacket& rtp, const uint8_t* data, size_t length) {
  // A repair stream means nothing before its extension has named what it repairs.
  for (const Ingress* ingress : peer->ingresses) {
    if (ingress->options.has_rtx_payload_type && ingress->options.rtx_payload_type == rtp.payload_type) {
      return counters_.Add(kDroppedUnknownSsrc);
    }
  }
  if (peer->held.size() < kHoldPackets && peer->held_bytes + length <= kHoldBytes) {
    peer->held.push_back({now_, rtp.ssrc, std::vector<uint8_t>(data, data + length)});
    peer->held_bytes += length;
    fine_timers_ = true;
  } else {
    counters_.Add(kDroppedUnknownSsrc);
  }
  auto& told = peer->told;
  told.erase(std::remove_if(told.begin(), told.end(),
                            [&](const ToldSsrc& t) { return now_ - t.told_us >= kUnknownSpacingUs; }),
             told.end());
  for (const ToldSsrc& t : told) {
    if (t.ssrc == rtp.ssrc) return;
  }
  if (told.size() >= kUnknownRemembered) return;
  told.push_back({rtp.ssrc, now_});
  const ExtensionView& rid = rtp.extensions[kRid];
  const ExtensionView& mid = rtp.extensions[kMid];
  EventRecord record(EventType::kUnknownSsrc);
  record.U32(peer->id).U32(rtp.ssrc).U8(rtp.payload_type).Bytes(rid.data, rid.length).Bytes(mid.data, mid.length);
  sink_->Emit(&record, false);
}

void FlowTable::ReleaseHeld(Peer* peer) {
  std::vector<HeldPacket> held;
  held.swap(peer->held);
  peer->held_bytes = 0;
  // They were not read together with anything.
  padding_ = 0;
  for (HeldPacket& packet : held) {
    RtpPacket rtp;
    if (!ParseRtp(packet.bytes.data(), packet.bytes.size(), peer->extensions, &rtp)) continue;
    const SsrcBinding* binding = peer->FindSsrc(rtp.ssrc);
    if (binding == nullptr) binding = BindByExtensions(peer, rtp);
    if (binding == nullptr) {
      peer->held_bytes += packet.bytes.size();
      peer->held.push_back(std::move(packet));
      continue;
    }
    HandleStream(binding->ingress, binding->is_rtx, &rtp, packet.bytes.data(), packet.bytes.size());
  }
}

void FlowTable::ExpireHeld(Peer* peer) {
  auto& held = peer->held;
  size_t expired = 0;
  while (expired < held.size() && now_ - held[expired].arrival_us > kHoldUs) {
    peer->held_bytes -= held[expired].bytes.size();
    ++expired;
  }
  counters_.Add(kDroppedUnknownSsrc, expired);
  held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(expired));
}

// Turns an RTX packet into the one it repairs (RFC 4588 4). False if it repairs none.
bool FlowTable::Decapsulate(const Ingress& ingress, RtpPacket* rtp) {
  if (rtp->payload_length < 2) return false;
  rtp->sequence = ReadU16(rtp->payload);
  rtp->payload += 2;
  rtp->payload_length -= 2;
  rtp->payload_type = ingress.options.payload_type;
  rtp->ssrc = ingress.ssrc;
  return true;
}

void FlowTable::HandleStream(Ingress* ingress, bool is_rtx, RtpPacket* rtp, const uint8_t* data, size_t length) {
  const IngressOptions& o = ingress->options;
  SequenceWindow& window = ingress->window;
  if (is_rtx) {
    if (!o.has_rtx_payload_type || rtp->payload_type != o.rtx_payload_type) return counters_.Add(kDroppedPayloadType);
    if (!window.started()) return counters_.Add(kDroppedTooOld);
    // A probe for bandwidth repairs nothing; its own numbers are of no stream that is forwarded.
    if (!Decapsulate(*ingress, rtp)) return;
  } else if (rtp->payload_type != o.payload_type) {
    return counters_.Add(kDroppedPayloadType);
  }

  const bool padding_only = rtp->payload_length == 0;
  const bool was_started = window.started();
  const int64_t before = window.highest();
  const int64_t position = window.Unwrap(rtp->sequence);
  const SequenceWindow::Verdict verdict = window.Accept(position, padding_only);
  if (verdict == SequenceWindow::Verdict::kTooOld) return counters_.Add(kDroppedTooOld);
  if (verdict == SequenceWindow::Verdict::kDuplicate) return counters_.Add(kDroppedDuplicate);
  const bool newest = verdict == SequenceWindow::Verdict::kNewest;
  if (!is_rtx) {
    ++ingress->original_packets;
    if (newest) ingress->UpdateJitter(arrival_, rtp->timestamp);
  } else {
    ++ingress->repaired_packets;
  }
  bool recovered = is_rtx;
  if (o.nack && newest && was_started) {
    if (!ingress->nacks.OnNewest(before, position, now_) && o.kind == MediaKind::kVideo) NeedKeyFrame(ingress);
    if (!ingress->nacks.empty()) fine_timers_ = true;
  } else if (!newest) {
    recovered = ingress->nacks.OnLate(position) || is_rtx;
  }
  if (recovered) ++ingress->totals.recovered_packets;

  if (padding_only) {
    ++ingress->totals.padding_packets;
  } else {
    ++ingress->totals.packets;
    ingress->totals.bytes += length;
    const ExtensionView& level = rtp->extensions[kAudioLevel];
    if (o.kind == MediaKind::kAudio && level.length >= 1 &&
        ingress->TakeLevel(now_, level.data[0], options_.onset_level)) {
      EmitId(EventType::kAudioOnset, ingress->id);
    }
    Incoming packet;
    packet.rtp = *rtp;
    packet.position = position;
    packet.index = window.Index(position);
    packet.time = TimeOf(*ingress, rtp->timestamp);
    packet.padding = padding_;
    packet.key_frame = o.kind == MediaKind::kVideo && StartsKeyFrame(*rtp, ingress->peer->describes_frames);
    if (packet.key_frame) ++ingress->totals.key_frames;
    bool cache = false;
    const bool subscribed = ForwardToSubscribers(ingress, packet, &cache);
    const bool grouped = ForwardToGroups(ingress, packet, &cache);
    if (!subscribed && !grouped) counters_.Add(kDroppedNoReceiver);
    if (cache) ingress->cache.Put(position, now_, is_rtx, data, length);
  }
  if (ingress->nacks.urgent()) SendNacks(ingress);
}

PacketTime FlowTable::TimeOf(const Ingress& ingress, uint32_t timestamp) const {
  PacketTime time;
  time.arrival_us = now_;
  const SenderReport& report = ingress.sender_report;
  if (!report.known) return time;
  const int32_t ticks = static_cast<int32_t>(timestamp - report.rtp_timestamp);
  time.has_capture = true;
  time.capture_us =
      report.ntp_us + ingress.peer->clock_offset_us + ScaleFloor(ticks, 1'000'000, ingress.options.clock_rate);
  return time;
}

void FlowTable::BeginSource(Egress* egress, Ingress* ingress, const Incoming& packet) {
  egress->current = ingress;
  egress->flowing = true;
  egress->report_due = true;
  egress->rewriter.Switch(packet.position, packet.index, packet.rtp.timestamp, packet.time);
}

bool FlowTable::ForwardToSubscribers(Ingress* ingress, const Incoming& packet, bool* cache) {
  bool taken = false;
  for (Egress* egress : ingress->subscribers) {
    const bool wished = egress->wish == ingress && (egress->wish_kind == WishKind::kNow || packet.key_frame);
    if (!wished && egress->current != ingress) continue;
    taken = true;
    if (!egress->peer->Ready()) {
      counters_.Add(kDroppedNotReady);
      continue;
    }
    if (wished) {
      Ingress* old = egress->current;
      BeginSource(egress, ingress, packet);
      ForgetWish(egress);
      if (old != nullptr) UnsubscribeIfIdle(old, egress);
      EventRecord record(EventType::kSwitched);
      record.U32(egress->id).U32(ingress->id);
      sink_->Emit(&record, false);
    } else if (!egress->flowing) {
      BeginSource(egress, ingress, packet);
    }
    ForwardTo(egress, ingress, packet);
    *cache |= egress->options.has_rtx;
  }
  return taken;
}

bool FlowTable::ForwardToGroups(Ingress* ingress, const Incoming& packet, bool* cache) {
  bool taken = false;
  for (const GroupPlace& place : ingress->places) {
    for (GroupReceiver& receiver : place.group->receivers) {
      Egress* egress = receiver.egresses[place.slot];
      if (egress == nullptr) continue;
      if (!receiver.permitted[place.slot]) {
        if (receiver.peer != ingress->peer) counters_.Add(kDroppedNotPermitted);
        taken = true;
        continue;
      }
      taken = true;
      if (!receiver.peer->Ready()) {
        counters_.Add(kDroppedNotReady);
        continue;
      }
      if (egress->current != ingress || !egress->flowing) BeginSource(egress, ingress, packet);
      ForwardTo(egress, ingress, packet);
      *cache |= egress->options.has_rtx;
    }
  }
  return taken;
}

void FlowTable::ForwardTo(Egress* egress, Ingress* ingress, const Incoming& packet) {
  int64_t sequence = 0;
  OutgoingHeader header;
  if (!egress->rewriter.Map(packet.position, packet.index, packet.rtp.timestamp, packet.time, &sequence,
                            &header.timestamp)) {
    return counters_.Add(kDroppedBeforeSwitch);
  }
  header.payload_type = egress->options.payload_type;
  header.sequence = static_cast<uint16_t>(sequence);
  header.ssrc = egress->options.ssrc;
  header.csrc = ingress->options.csrc;
  uint8_t* out = sink_->Reserve();
  size_t length = WriteRtp(packet.rtp, header, egress->options.extensions, AbsSendTime(now_), out);
  if (length == 0) return counters_.Add(kDroppedOversize);
  if (packet.padding > 0 && length + packet.padding + kSrtpMaxTrailer <= kMaxOutgoing) {
    constexpr uint8_t kPaddingBit = 0x20;
    out[0] |= kPaddingBit;
    std::memset(out + length, 0, packet.padding);
    length += packet.padding;
    out[length - 1] = packet.padding;
  }
  const size_t plain = length;
  const SrtpStatus status = egress->peer->sender->ProtectRtp(out, &length, kMaxOutgoing);
  if (status != SrtpStatus::kOk) return CountSrtpFailure(status);
  sink_->Commit(egress->peer->send_path, length, true);
  ++egress->packets;
  egress->bytes += plain;
  egress->payload_bytes += packet.rtp.payload_length;
  egress->Remember(header.sequence, *ingress, packet.position, header.timestamp);
  if (egress->report_due && ingress->sender_report.known) SendSenderReport(egress);
}

void FlowTable::NeedKeyFrame(Ingress* ingress) {
  if (ingress->key_frame_told && now_ - ingress->key_frame_told_us < kKeyFrameMergeUs) return;
  ingress->key_frame_told = true;
  ingress->key_frame_told_us = now_;
  EmitId(EventType::kKeyFrameNeeded, ingress->id);
}

}  // namespace conclave
