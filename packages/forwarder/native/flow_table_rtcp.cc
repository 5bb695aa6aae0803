// Reports and feedback: what peers say about our packets, what we say about theirs, and repairs.
#include <algorithm>

#include "flow_table.h"

namespace conclave {
namespace {

// How often timers are looked at while something short is pending. Lower: more exact; higher: fewer wake-ups.
constexpr int64_t kFineTickUs = 5'000;
// Items of one NACK that are looked at: what a full packet holds.
constexpr size_t kMaxNackItems = 300;
// A sender whose clock is set back by more than this has a new clock.
constexpr int64_t kClockStepUs = 1'000'000;
constexpr size_t kMaxBlocks = 31;

}  // namespace

int64_t FlowTable::NextTick() const {
  if (peers_.empty()) return -1;
  if (!timers_started_) return last_tick_us_;
  const int64_t due = std::min(next_feedback_us_, next_report_us_);
  return fine_timers_ ? std::min(due, last_tick_us_ + kFineTickUs) : due;
}

void FlowTable::Tick(int64_t now_us) {
  now_ = now_us;
  last_tick_us_ = now_us;
  if (!timers_started_) {
    timers_started_ = true;
    next_feedback_us_ = now_ + options_.transport_feedback_interval_us;
    next_report_us_ = now_ + options_.report_interval_us;
  }
  const bool pending = fine_timers_;
  fine_timers_ = false;
  for (size_t i = 0; i < waiting_.size();) {
    Egress* egress = waiting_[i];
    if (now_ < egress->deadline_us) {
      ++i;
      continue;
    }
    EventRecord record(EventType::kSwitchDeadline);
    record.U32(egress->id).U32(egress->wish->id);
    sink_->Emit(&record, false);
    ForgetWish(egress);
  }
  if (!waiting_.empty()) fine_timers_ = true;
  const bool feedback_due = now_ >= next_feedback_us_;
  const bool reports_due = now_ >= next_report_us_;
  // A conference in which nothing is due costs nothing, however large it is.
  if (!pending && !feedback_due && !reports_due) return;
  for (auto& [id, peer] : peers_) {
    if (!peer->held.empty()) ExpireHeld(peer.get());
    if (!peer->held.empty()) fine_timers_ = true;
    for (Ingress* ingress : peer->ingresses) {
      if (ingress->nacks.empty()) continue;
      SendNacks(ingress);
      if (!ingress->nacks.empty()) fine_timers_ = true;
    }
    if (feedback_due) SendTransportFeedback(peer.get());
    if (reports_due) SendReports(peer.get());
  }
  if (feedback_due) next_feedback_us_ = now_ + options_.transport_feedback_interval_us;
  if (reports_due) next_report_us_ = now_ + options_.report_interval_us;
}

void FlowTable::SendRtcp(Peer* peer, const RtcpWriter& writer) {
  if (writer.size() == 0 || !peer->Ready()) return;
  uint8_t* out = sink_->Reserve();
  size_t length = writer.size();
  std::memcpy(out, writer.data(), length);
  const SrtpStatus status = peer->sender->ProtectRtcp(out, &length, kMaxOutgoing);
  if (status != SrtpStatus::kOk) return CountSrtpFailure(status);
  sink_->Commit(peer->send_path, length, true);
}

void FlowTable::RequestKeyFrame(IngressId id) {
  Ingress* ingress = FindIngress(id);
  if (ingress == nullptr || !ingress->ssrc_known) return;
  const uint32_t own = ingress->peer->options.feedback_ssrc;
  RtcpWriter writer;
  writer.Pli(own, ingress->ssrc);
  writer.Fir(own, ingress->ssrc, ingress->fir_sequence++);
  SendRtcp(ingress->peer, writer);
}

void FlowTable::SendNacks(Ingress* ingress) {
  nack_scratch_.clear();
  ingress->nacks.Collect(now_, ingress->peer->round_trip_us, &nack_scratch_);
  if (nack_scratch_.empty() || !ingress->peer->Ready()) return;
  RtcpWriter writer;
  writer.Nack(ingress->peer->options.feedback_ssrc, ingress->ssrc, nack_scratch_.data(), nack_scratch_.size());
  ingress->totals.nacks_sent += nack_scratch_.size();
  SendRtcp(ingress->peer, writer);
}

void FlowTable::SendTransportFeedback(Peer* peer) {
  if (!peer->feedback.pending() || !peer->Ready()) return;
  for (;;) {
    uint8_t* out = sink_->Reserve();
    size_t length = peer->feedback.Build(peer->options.feedback_ssrc, peer->feedback_media_ssrc, out);
    if (length == 0) return;
    const SrtpStatus status = peer->sender->ProtectRtcp(out, &length, kMaxOutgoing);
    if (status != SrtpStatus::kOk) return CountSrtpFailure(status);
    sink_->Commit(peer->send_path, length, true);
  }
}

RtcpReportBlock FlowTable::MakeReportBlock(Ingress* ingress) {
  const int64_t expected = ingress->window.highest() - ingress->window.first() + 1;
  const int64_t received = static_cast<int64_t>(ingress->original_packets);
  const int64_t expected_since = expected - ingress->reported_expected;
  const int64_t lost_since = expected_since - (received - ingress->reported_received);
  ingress->reported_expected = expected;
  ingress->reported_received = received;
  RtcpReportBlock block;
  block.ssrc = ingress->ssrc;
  if (expected_since > 0 && lost_since > 0) {
    block.fraction_lost = static_cast<uint8_t>(std::min<int64_t>(255, lost_since * 256 / expected_since));
  }
  block.cumulative_lost = static_cast<int32_t>(std::clamp<int64_t>(expected - received, -0x800000, 0x7fffff));
  block.highest_sequence = static_cast<uint32_t>(ingress->window.highest());
  block.jitter = static_cast<uint32_t>(ingress->jitter);
  const SenderReport& report = ingress->sender_report;
  if (report.known) {
    block.last_report = report.ntp_middle;
    block.delay = static_cast<uint32_t>(ScaleFloor(now_ - report.arrival_us, 65536, 1'000'000));
  }
  return block;
}

// Reports of all our slots, then of all the peer's streams, then who we are, in as few compound packets as fit.
void FlowTable::SendReports(Peer* peer) {
  if (!peer->Ready()) return;
  RtcpWriter writer;
  uint32_t named[kMaxBlocks];
  size_t named_count = 0;
  const auto flush = [&] {
    if (named_count == 0) return;
    writer.SourceDescription(named, named_count, peer->options.cname);
    SendRtcp(peer, writer);
    writer = RtcpWriter();
    named_count = 0;
  };
  const auto make_room = [&](size_t bytes) {
    const size_t names = RtcpWriter::SourceDescriptionBytes(named_count + 1, peer->options.cname);
    if (named_count == kMaxBlocks || bytes + names > writer.room()) flush();
  };
  for (Egress* egress : peer->egresses) {
    RtcpSenderInfo info;
    if (!MakeSenderReport(egress, &info)) continue;
    make_room(4 + kSenderInfoBytes);
    writer.SenderReport(info);
    named[named_count++] = info.ssrc;
  }
  RtcpReportBlock blocks[kMaxBlocks];
  size_t count = 0;
  const auto write_blocks = [&] {
    if (count == 0) return;
    make_room(8 + count * kReportBlockBytes);
    writer.ReceiverReport(peer->options.feedback_ssrc, blocks, count);
    named[named_count++] = peer->options.feedback_ssrc;
    count = 0;
  };
  for (Ingress* ingress : peer->ingresses) {
    if (!ingress->ssrc_known || !ingress->window.started()) continue;
    blocks[count++] = MakeReportBlock(ingress);
    if (count == kMaxBlocks) {
      write_blocks();
      flush();
    }
  }
  write_blocks();
  flush();
}

void FlowTable::SendSenderReport(Egress* egress) {
  RtcpSenderInfo info;
  if (!MakeSenderReport(egress, &info)) return;
  RtcpWriter writer;
  writer.SenderReport(info);
  writer.SourceDescription(&info.ssrc, 1, egress->peer->options.cname);
  SendRtcp(egress->peer, writer);
}

// The present instant on our clock, and the RTP timestamp the slot would have now: that of its source by the source's
// last report, moved by the slot's offset. All streams of one sender share one clock offset, so they stay aligned.
bool FlowTable::MakeSenderReport(Egress* egress, RtcpSenderInfo* info) {
  const Ingress* source = egress->current;
  if (!egress->flowing || source == nullptr || !source->sender_report.known) return false;
  const SenderReport& report = source->sender_report;
  const int64_t since = now_ - (report.ntp_us + source->peer->clock_offset_us);
  const uint64_t ntp = UsToNtp(now_ + options_.ntp_epoch_us);
  info->ssrc = egress->options.ssrc;
  info->ntp_seconds = static_cast<uint32_t>(ntp >> 32);
  info->ntp_fraction = static_cast<uint32_t>(ntp);
  info->rtp_timestamp = report.rtp_timestamp +
                        static_cast<uint32_t>(ScaleFloor(since, source->options.clock_rate, 1'000'000)) +
                        egress->rewriter.timestamp_offset();
  info->packets = static_cast<uint32_t>(egress->packets);
  info->bytes = static_cast<uint32_t>(egress->payload_bytes);
  egress->report_due = false;
  egress->sent_reports[egress->sent_report_count++ % 4] = static_cast<uint32_t>(ntp >> 16);
  return true;
}

void FlowTable::ReceiveRtcp(Peer* peer, uint8_t* data, size_t length) {
  const SrtpStatus status = peer->receiver->UnprotectRtcp(data, &length);
  if (status != SrtpStatus::kOk) return CountSrtpFailure(status);
  RtcpWalker walker(data, length);
  RtcpPart part;
  while (walker.Next(&part)) {
    size_t blocks_at = 4;
    switch (part.type) {
      case kRtcpSenderReport:
        if (part.length < kSenderInfoBytes) break;
        HandleSenderInfo(peer, ReadSenderInfo(part.body));
        blocks_at = kSenderInfoBytes;
        [[fallthrough]];
      case kRtcpReceiverReport:
        for (size_t i = 0; i < part.count; ++i) {
          const size_t at = blocks_at + i * kReportBlockBytes;
          if (at + kReportBlockBytes > part.length) break;
          HandleReportBlock(peer, ReadReportBlock(part.body + at));
        }
        break;
      case kRtcpTransportFeedback:
        if (part.count == kFormatNack && part.length >= 8) {
          HandleNack(peer, ReadU32(part.body + 4), part.body + 8, part.length - 8);
        }
        break;
      case kRtcpPayloadFeedback:
        if (part.count == kFormatPli && part.length >= 8) HandleKeyFrameRequest(peer, ReadU32(part.body + 4));
        if (part.count == kFormatFir) {
          for (size_t at = 8; at + 8 <= part.length; at += 8) HandleKeyFrameRequest(peer, ReadU32(part.body + at));
        }
        break;
      default:
        break;
    }
  }
}

void FlowTable::HandleSenderInfo(Peer* peer, const RtcpSenderInfo& info) {
  const SsrcBinding* binding = peer->FindSsrc(info.ssrc);
  if (binding == nullptr || binding->is_rtx || (info.ntp_seconds == 0 && info.ntp_fraction == 0)) return;
  SenderReport& report = binding->ingress->sender_report;
  report.known = true;
  report.rtp_timestamp = info.rtp_timestamp;
  report.ntp_middle = info.ntp_seconds << 16 | info.ntp_fraction >> 16;
  report.ntp_us = NtpToUs(info.ntp_seconds, info.ntp_fraction);
  report.arrival_us = now_;
  const int64_t offset = arrival_ - report.ntp_us;
  if (!peer->has_clock_offset || offset < peer->clock_offset_us || offset > peer->clock_offset_us + kClockStepUs) {
    peer->has_clock_offset = true;
    peer->clock_offset_us = offset;
  }
}

void FlowTable::HandleReportBlock(Peer* peer, const RtcpReportBlock& block) {
  for (Egress* egress : peer->egresses) {
    if (egress->options.ssrc != block.ssrc) continue;
    double round_trip_ms = -1;
    const size_t known = std::min<size_t>(egress->sent_report_count, 4);
    const uint32_t* end = egress->sent_reports + known;
    if (block.last_report != 0 && std::find<const uint32_t*>(egress->sent_reports, end, block.last_report) != end) {
      const uint32_t now_middle = static_cast<uint32_t>(UsToNtp(now_ + options_.ntp_epoch_us) >> 16);
      const uint32_t round_trip = now_middle - block.last_report - block.delay;
      // Rounding may make it negative by a tick or two.
      round_trip_ms = static_cast<int32_t>(round_trip) < 0 ? 0 : round_trip * 1000.0 / 65536;
    }
    EventRecord record(EventType::kReceiverReport);
    record.U32(egress->id).U8(block.fraction_lost).U32(static_cast<uint32_t>(block.cumulative_lost));
    record.U32(block.jitter).F64(round_trip_ms);
    sink_->Emit(&record, false);
    return;
  }
}

void FlowTable::HandleKeyFrameRequest(Peer* peer, uint32_t media_ssrc) {
  for (Egress* egress : peer->egresses) {
    if (egress->options.ssrc != media_ssrc) continue;
    Ingress* source = egress->current != nullptr ? egress->current : egress->wish;
    if (source != nullptr) NeedKeyFrame(source);
    return;
  }
}

void FlowTable::HandleNack(Peer* peer, uint32_t media_ssrc, const uint8_t* fci, size_t length) {
  for (Egress* egress : peer->egresses) {
    if (egress->options.ssrc != media_ssrc) continue;
    const size_t items = std::min(length / 4, kMaxNackItems);
    for (size_t i = 0; i < items; ++i) {
      const uint16_t first = ReadU16(fci + 4 * i);
      const uint32_t mask = uint32_t{ReadU16(fci + 4 * i + 2)} << 1 | 1;
      for (uint16_t bit = 0; bit <= 16; ++bit) {
        if (!(mask >> bit & 1)) continue;
        ++egress->nacks_received;
        Retransmit(egress, static_cast<uint16_t>(first + bit));
      }
    }
    return;
  }
}

void FlowTable::Retransmit(Egress* egress, uint16_t sequence) {
  SentPacket* sent = egress->FindSent(sequence);
  if (sent == nullptr || !egress->peer->Ready()) return;
  // An answer may still be on its way.
  if (sent->resent && now_ - sent->resent_us < egress->peer->round_trip_us) return;
  Ingress* ingress = FindIngress(sent->ingress);
  // Another stream may have the id by now, which this receiver need not be allowed to have.
  if (ingress == nullptr || ingress->serial != sent->ingress_serial) return;
  const CachedPacket* cached = ingress->cache.Find(sent->position);
  if (cached == nullptr || now_ - cached->arrival_us >= PacketCache::kKeepUs) return;
  RtpPacket rtp;
  if (!ParseRtp(cached->bytes.data(), cached->bytes.size(), ingress->peer->extensions, &rtp)) return;
  if (cached->is_rtx && !Decapsulate(*ingress, &rtp)) return;
  if (!egress->TakeBudget(now_)) return;

  OutgoingHeader header;
  header.payload_type = egress->options.rtx_payload_type;
  header.sequence = egress->rtx_sequence;
  header.timestamp = sent->timestamp;
  header.ssrc = egress->options.rtx_ssrc;
  header.csrc = ingress->options.csrc;
  header.is_rtx = true;
  header.original_sequence = sequence;
  uint8_t* out = sink_->Reserve();
  size_t length = WriteRtp(rtp, header, egress->options.extensions, AbsSendTime(now_), out);
  if (length == 0) return counters_.Add(kDroppedOversize);
  const SrtpStatus status = egress->peer->sender->ProtectRtp(out, &length, kMaxOutgoing);
  if (status != SrtpStatus::kOk) return CountSrtpFailure(status);
  ++egress->rtx_sequence;
  ++egress->retransmitted_packets;
  sent->resent = true;
  sent->resent_us = now_;
  sink_->Commit(egress->peer->send_path, length, true);
}

}  // namespace conclave
