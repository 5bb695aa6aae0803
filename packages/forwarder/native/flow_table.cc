#include "flow_table.h"

#include <algorithm>

namespace conclave {
namespace {

template <typename T>
void Erase(std::vector<T*>* list, T* item) {
  list->erase(std::remove(list->begin(), list->end(), item), list->end());
}

template <typename Map>
auto Find(Map& map, uint32_t id) {
  const auto it = map.find(id);
  return it == map.end() ? nullptr : it->second.get();
}

}  // namespace

FlowTable::FlowTable(const TableOptions& options, Sink* sink)
    : options_(options), sink_(sink), strangers_(options.stun_per_second, options.seed) {}
FlowTable::~FlowTable() = default;

Peer* FlowTable::FindPeer(PeerId id) { return Find(peers_, id); }
Ingress* FlowTable::FindIngress(IngressId id) { return Find(ingresses_, id); }
Egress* FlowTable::FindEgress(EgressId id) { return Find(egresses_, id); }

void FlowTable::AddPeer(PeerId id, const PeerOptions& options) {
  if (FindPeer(id) != nullptr) return;
  peers_[id] = std::make_unique<Peer>(id, options);
}

void FlowTable::ClearPaths(Peer* peer) {
  for (const PathKey& path : peer->accepted) {
    const auto it = paths_.find(path);
    if (it != paths_.end() && it->second == peer) paths_.erase(it);
  }
  peer->accepted.clear();
}

void FlowTable::RemovePeer(PeerId id) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr) return;
  while (!peer->ingresses.empty()) DropIngress(peer->ingresses.back());
  while (!peer->egresses.empty()) DropEgress(peer->egresses.back());
  for (auto& [group_id, group] : groups_) RemoveGroupReceiver(group_id, id);
  for (const PathKey& path : peer->accepted) sink_->CloseConnection(path.socket);
  ClearPaths(peer);
  peers_.erase(id);
}

void FlowTable::SetPaths(PeerId id, const std::vector<PathKey>& accepted, const PathKey* send_path) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr) return;
  ClearPaths(peer);
  peer->accepted = accepted;
  for (const PathKey& path : accepted) paths_[path] = peer;
  peer->has_send_path = send_path != nullptr;
  if (send_path != nullptr) peer->send_path = *send_path;
}

void FlowTable::SetSrtpKeys(PeerId id, const SrtpKeyMaterial& receive, const SrtpKeyMaterial& send) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr) return;
  peer->receiver = SrtpReceiver::Create(
      receive, peer->options.max_ssrcs == 0 ? options_.max_ssrcs_per_peer : peer->options.max_ssrcs);
  peer->sender = SrtpSender::Create(send);
}

void FlowTable::SetRoundTrip(PeerId id, int64_t round_trip_us) {
  Peer* peer = FindPeer(id);
  if (peer != nullptr) peer->round_trip_us = round_trip_us;
}

void FlowTable::AddIngress(IngressId id, const IngressOptions& options) {
  Peer* peer = FindPeer(options.peer);
  if (peer == nullptr || FindIngress(id) != nullptr) return;
  auto owned = std::make_unique<Ingress>(id, options, peer);
  Ingress* ingress = owned.get();
  ingress->serial = ++last_serial_;
  ingresses_[id] = std::move(owned);
  peer->ingresses.push_back(ingress);
  // An SSRC belongs to one stream: the first to name it.
  if (ingress->ssrc_known && peer->FindSsrc(ingress->ssrc) != nullptr) ingress->ssrc_known = false;
  if (ingress->ssrc_known) peer->bindings.push_back({ingress->ssrc, ingress, false});
  if (ingress->rtx_ssrc_known && peer->FindSsrc(ingress->rtx_ssrc) != nullptr) ingress->rtx_ssrc_known = false;
  if (ingress->rtx_ssrc_known) peer->bindings.push_back({ingress->rtx_ssrc, ingress, true});
  ReleaseHeld(peer);
}

void FlowTable::BindSsrc(IngressId id, uint32_t ssrc) {
  Ingress* ingress = FindIngress(id);
  if (ingress == nullptr) return;
  Peer* peer = ingress->peer;
  const SsrcBinding* binding = peer->FindSsrc(ssrc);
  if (binding != nullptr) return;
  if (ingress->ssrc_known) {
    const uint32_t old = ingress->ssrc;
    auto& list = peer->bindings;
    list.erase(std::remove_if(list.begin(), list.end(), [&](const SsrcBinding& b) { return b.ssrc == old; }), list.end());
    // Positions of the new SSRC mean nothing to the old offset: its next packet is a switch.
    for (Egress* egress : ingress->subscribers) {
      if (egress->current == ingress) egress->flowing = false;
    }
    for (const GroupPlace& place : ingress->places) {
      for (GroupReceiver& receiver : place.group->receivers) {
        if (receiver.egresses[place.slot] != nullptr) receiver.egresses[place.slot]->flowing = false;
      }
    }
  }
  ingress->Bind(ssrc);
  peer->bindings.push_back({ssrc, ingress, false});
  ReleaseHeld(peer);
}

void FlowTable::DropIngress(Ingress* ingress) {
  Peer* peer = ingress->peer;
  // A copy: to forget a wish changes the list.
  const std::vector<Egress*> subscribers = ingress->subscribers;
  for (Egress* egress : subscribers) {
    if (egress->current == ingress) {
      egress->current = nullptr;
      egress->flowing = false;
    }
    if (egress->wish == ingress) ForgetWish(egress);
  }
  for (const GroupPlace& place : ingress->places) place.group->sources[place.slot] = nullptr;
  for (auto& [group_id, group] : groups_) {
    for (GroupReceiver& receiver : group->receivers) {
      const auto it = std::lower_bound(receiver.allowed.begin(), receiver.allowed.end(), ingress->id);
      if (it != receiver.allowed.end() && *it == ingress->id) receiver.allowed.erase(it);
      for (Egress* egress : receiver.egresses) {
        if (egress != nullptr && egress->current == ingress) {
          egress->current = nullptr;
          egress->flowing = false;
        }
      }
    }
  }
  auto& list = peer->bindings;
  list.erase(std::remove_if(list.begin(), list.end(), [&](const SsrcBinding& b) { return b.ingress == ingress; }),
             list.end());
  Erase(&peer->ingresses, ingress);
  ingresses_.erase(ingress->id);
}

void FlowTable::RemoveIngress(IngressId id) {
  Ingress* ingress = FindIngress(id);
  if (ingress != nullptr) DropIngress(ingress);
}

void FlowTable::AddEgress(EgressId id, const EgressOptions& options) {
  Peer* peer = FindPeer(options.peer);
  if (peer == nullptr || FindEgress(id) != nullptr) return;
  auto owned = std::make_unique<Egress>(id, options, peer);
  peer->egresses.push_back(owned.get());
  egresses_[id] = std::move(owned);
}

void FlowTable::DropEgress(Egress* egress) {
  Ingress* current = egress->group == nullptr ? egress->current : nullptr;
  ForgetWish(egress);
  egress->current = nullptr;
  if (current != nullptr) UnsubscribeIfIdle(current, egress);
  if (egress->group != nullptr) {
    for (GroupReceiver& receiver : egress->group->receivers) {
      std::replace(receiver.egresses.begin(), receiver.egresses.end(), egress, static_cast<Egress*>(nullptr));
    }
  }
  Erase(&egress->peer->egresses, egress);
  egresses_.erase(egress->id);
}

void FlowTable::RemoveEgress(EgressId id) {
  Egress* egress = FindEgress(id);
  if (egress != nullptr) DropEgress(egress);
}

void FlowTable::Subscribe(Ingress* ingress, Egress* egress) {
  auto& list = ingress->subscribers;
  if (std::find(list.begin(), list.end(), egress) == list.end()) list.push_back(egress);
}

void FlowTable::UnsubscribeIfIdle(Ingress* ingress, Egress* egress) {
  if (egress->current != ingress && egress->wish != ingress) Erase(&ingress->subscribers, egress);
}

void FlowTable::ForgetWish(Egress* egress) {
  Ingress* wish = egress->wish;
  if (wish == nullptr) return;
  if (egress->wish_kind == WishKind::kKeyFrame) Erase(&waiting_, egress);
  egress->wish = nullptr;
  egress->wish_kind = WishKind::kNone;
  UnsubscribeIfIdle(wish, egress);
}

void FlowTable::SetSource(EgressId id, const IngressId* source, WishKind kind, int64_t deadline_us) {
  Egress* egress = FindEgress(id);
  if (egress == nullptr || egress->group != nullptr) return;
  Ingress* ingress = source == nullptr ? nullptr : FindIngress(*source);
  if (source != nullptr && ingress == nullptr) return;
  ForgetWish(egress);
  if (ingress != nullptr && egress->current == ingress) return;
  if ((ingress == nullptr || kind == WishKind::kNow) && egress->current != nullptr) {
    Ingress* old = egress->current;
    egress->current = nullptr;
    egress->flowing = false;
    UnsubscribeIfIdle(old, egress);
  }
  if (ingress == nullptr) return;
  egress->wish = ingress;
  egress->wish_kind = kind;
  Subscribe(ingress, egress);
  if (kind == WishKind::kKeyFrame) {
    egress->deadline_us = deadline_us;
    waiting_.push_back(egress);
    fine_timers_ = true;
    NeedKeyFrame(ingress);
  }
}

void FlowTable::AddGroup(GroupId id, size_t slots) {
  if (groups_.count(id) == 0) groups_[id] = std::make_unique<Group>(id, slots);
}

void FlowTable::LeaveSlots(GroupReceiver* receiver) {
  for (Egress*& egress : receiver->egresses) {
    if (egress == nullptr) continue;
    egress->group = nullptr;
    egress->current = nullptr;
    egress->flowing = false;
    egress = nullptr;
  }
}

void FlowTable::RemoveGroup(GroupId id) {
  Group* group = Find(groups_, id);
  if (group == nullptr) return;
  for (GroupReceiver& receiver : group->receivers) LeaveSlots(&receiver);
  for (size_t slot = 0; slot < group->sources.size(); ++slot) SetGroupSource(id, slot, nullptr);
  groups_.erase(id);
}

GroupReceiver* FlowTable::ReceiverOf(Group* group, Peer* peer) {
  for (GroupReceiver& receiver : group->receivers) {
    if (receiver.peer == peer) return &receiver;
  }
  const size_t slots = group->sources.size();
  group->receivers.push_back({peer, std::vector<Egress*>(slots, nullptr), {}, std::vector<uint8_t>(slots, 0)});
  return &group->receivers.back();
}

// Works out which slots the receiver may hear. One that it may no longer hear starts anew when it may again.
void FlowTable::Permit(Group* group, GroupReceiver* receiver) {
  for (size_t slot = 0; slot < group->sources.size(); ++slot) {
    const Ingress* source = group->sources[slot];
    const bool permitted = source != nullptr && std::binary_search(receiver->allowed.begin(), receiver->allowed.end(), source->id);
    receiver->permitted[slot] = permitted;
    Egress* egress = receiver->egresses[slot];
    if (egress != nullptr && (!permitted || egress->current != source)) {
      egress->current = nullptr;
      egress->flowing = false;
    }
  }
}

void FlowTable::SetGroupReceiver(GroupId id, PeerId peer_id, const std::vector<EgressId>& egresses) {
  Group* group = Find(groups_, id);
  Peer* peer = FindPeer(peer_id);
  if (group == nullptr || peer == nullptr) return;
  GroupReceiver* receiver = ReceiverOf(group, peer);
  LeaveSlots(receiver);
  for (size_t slot = 0; slot < egresses.size() && slot < group->sources.size(); ++slot) {
    Egress* egress = FindEgress(egresses[slot]);
    if (egress == nullptr || egress->peer != peer || egress->group != nullptr) continue;
    SetSource(egress->id, nullptr, WishKind::kNow, 0);
    egress->group = group;
    receiver->egresses[slot] = egress;
  }
  Permit(group, receiver);
}

void FlowTable::RemoveGroupReceiver(GroupId id, PeerId peer_id) {
  Group* group = Find(groups_, id);
  if (group == nullptr) return;
  for (auto it = group->receivers.begin(); it != group->receivers.end(); ++it) {
    if (it->peer->id != peer_id) continue;
    LeaveSlots(&*it);
    group->receivers.erase(it);
    return;
  }
}

void FlowTable::SetGroupSource(GroupId id, size_t slot, const IngressId* source) {
  Group* group = Find(groups_, id);
  if (group == nullptr || slot >= group->sources.size()) return;
  Ingress* ingress = source == nullptr ? nullptr : FindIngress(*source);
  if (source != nullptr && ingress == nullptr) return;
  Ingress* old = group->sources[slot];
  if (old == ingress) return;
  if (old != nullptr) {
    auto& places = old->places;
    places.erase(std::remove_if(places.begin(), places.end(),
                                [&](const GroupPlace& p) { return p.group == group && p.slot == slot; }),
                 places.end());
  }
  group->sources[slot] = ingress;
  if (ingress != nullptr) ingress->places.push_back({group, slot});
  for (GroupReceiver& receiver : group->receivers) Permit(group, &receiver);
}

void FlowTable::SetGroupPermissions(GroupId id, PeerId receiver_id, std::vector<IngressId> allowed) {
  Group* group = Find(groups_, id);
  Peer* peer = FindPeer(receiver_id);
  if (group == nullptr || peer == nullptr) return;
  GroupReceiver* receiver = ReceiverOf(group, peer);
  std::sort(allowed.begin(), allowed.end());
  receiver->allowed = std::move(allowed);
  Permit(group, receiver);
}

void FlowTable::Send(const PathKey& path, const uint8_t* data, size_t length) {
  if (length == 0 || length > kMaxDatagram) return;
  std::memcpy(sink_->Reserve(), data, length);
  sink_->Commit(path, length, false);
}

void FlowTable::ReadAudioLevels(std::vector<double>* out) {
  for (auto& [id, ingress] : ingresses_) {
    if (ingress->options.kind != MediaKind::kAudio) continue;
    const LevelSum& sum = ingress->levels;
    const double mean = sum.packets == 0 ? 127 : static_cast<double>(sum.level_sum) / sum.packets;
    out->insert(out->end(), {static_cast<double>(id), static_cast<double>(sum.packets), mean,
                             static_cast<double>(sum.peak), static_cast<double>(sum.voice_packets)});
    ingress->levels = LevelSum();
  }
}

void FlowTable::ReadIngressStats(std::vector<double>* out) const {
  for (const auto& [id, ingress] : ingresses_) {
    const IngressTotals& t = ingress->totals;
    for (const uint64_t v : {uint64_t{id}, t.packets, t.bytes, t.padding_packets, t.key_frames, t.nacks_sent,
                             t.recovered_packets, ingress->Lost()}) {
      out->push_back(static_cast<double>(v));
    }
  }
}

void FlowTable::ReadEgressStats(std::vector<double>* out) const {
  for (const auto& [id, egress] : egresses_) {
    for (const uint64_t v : {uint64_t{id}, egress->packets, egress->bytes, egress->retransmitted_packets,
                             egress->nacks_received}) {
      out->push_back(static_cast<double>(v));
    }
  }
}

}  // namespace conclave
