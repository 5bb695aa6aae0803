#include "relay_table.h"

#include <algorithm>

namespace conclave {
namespace {

bool Less(const NetAddress& a, const NetAddress& b) {
  if (a.family != b.family) return a.family < b.family;
  return std::memcmp(a.bytes, b.bytes, sizeof a.bytes) < 0;
}

void AppendTotals(RelayId id, const RelayTotals& t, std::vector<double>* out) {
  const uint64_t cells[] = {id,
                            t.from_client_packets,
                            t.from_client_bytes,
                            t.to_client_packets,
                            t.to_client_bytes,
                            t.from_peer_packets,
                            t.from_peer_bytes,
                            t.to_peer_packets,
                            t.to_peer_bytes,
                            t.capped_packets};
  for (const uint64_t cell : cells) out->push_back(static_cast<double>(cell));
}

}  // namespace

void AppendClient(EventRecord* record, const RelayClientKey& client) {
  record->U8(static_cast<uint8_t>(client.transport)).Path(client.path).Path({0, client.local});
}

bool Relay::Permits(const NetAddress& peer) const {
  return std::binary_search(permissions.begin(), permissions.end(), peer, Less);
}

RelayChannel* RelayClient::Channel(uint16_t number) const {
  const auto at = std::lower_bound(channels.begin(), channels.end(), number,
                                   [](const auto& channel, uint16_t n) { return channel->number < n; });
  return at != channels.end() && (*at)->number == number ? at->get() : nullptr;
}

bool RelayTable::MayAdd(const RelayRequest& request) const {
  if (relays_.count(request.id) != 0) return false;
  const auto client = clients_.find(request.client.path);
  return client == clients_.end() || client->second->relays[request.family == 6] == nullptr;
}

Relay* RelayTable::AddRelay(const RelayRequest& request, const NetAddress& address, bool shared) {
  std::unique_ptr<RelayClient>& client = clients_[request.client.path];
  if (client == nullptr) {
    client = std::make_unique<RelayClient>();
    client->key = request.client;
    const RelayTransport transport = request.client.transport;
    client->is_stream = transport == RelayTransport::kTcp || transport == RelayTransport::kTls;
  }
  auto relay = std::make_unique<Relay>();
  relay->id = request.id;
  relay->client = client.get();
  relay->tcp = request.tcp;
  relay->shared = shared;
  relay->address = address;
  relay->from_client = TokenBucket(request.max_bytes_per_second);
  relay->to_client = TokenBucket(request.max_bytes_per_second);
  Relay* const raw = relay.get();
  client->relays[request.family == 6] = raw;
  relays_[request.id] = std::move(relay);
  counters_.Add(kRelayRelays);
  return raw;
}

Relay* RelayTable::Find(RelayId id) const {
  const auto it = relays_.find(id);
  return it == relays_.end() ? nullptr : it->second.get();
}

void RelayTable::RemoveRelay(Relay* relay) {
  EventRecord record = NewRelayRecord(RelayEventType::kRelayClosed);
  std::vector<double> totals;
  AppendTotals(relay->id, relay->totals, &totals);
  for (const double cell : totals) record.F64(cell);
  sink_->EmitRelay(&record, false);

  RelayClient* const client = relay->client;
  while (!relay->permissions.empty()) RemovePermission(relay->id, relay->permissions.back());
  const auto of_relay = [&](const auto& channel) { return channel->relay == relay; };
  const auto end = std::remove_if(client->channels.begin(), client->channels.end(), of_relay);
  counters_.Remove(kRelayChannels, static_cast<uint64_t>(client->channels.end() - end));
  client->channels.erase(end, client->channels.end());
  for (Relay*& slot : client->relays) {
    if (slot == relay) slot = nullptr;
  }
  if (client->relays[0] == nullptr && client->relays[1] == nullptr) clients_.erase(client->key.path);
  counters_.Remove(kRelayRelays);
  relays_.erase(relay->id);
}

void RelayTable::AddPermission(RelayId id, const NetAddress& peer) {
  Relay* const relay = Find(id);
  const NetAddress address = WithoutPort(peer);
  if (relay == nullptr || relay->Permits(address) || address.family != relay->address.family) return;
  relay->permissions.insert(std::upper_bound(relay->permissions.begin(), relay->permissions.end(), address, Less), address);
  counters_.Add(kRelayPermissions);
  for (const auto& [at, channel] : relay->channel_of_peer) {
    if (WithoutPort(at) == address) channel->permitted = true;
  }
  if (relay->shared) Shared(address.family).permitting[address].push_back(relay);
}

void RelayTable::RemovePermission(RelayId id, const NetAddress& peer) {
  Relay* const relay = Find(id);
  const NetAddress address = WithoutPort(peer);
  if (relay == nullptr || !relay->Permits(address)) return;
  relay->permissions.erase(std::lower_bound(relay->permissions.begin(), relay->permissions.end(), address, Less));
  counters_.Remove(kRelayPermissions);
  for (const auto& [at, channel] : relay->channel_of_peer) {
    if (WithoutPort(at) == address) channel->permitted = false;
  }
  if (!relay->shared) return;
  DropClaims(relay, address);
  auto& permitting = Shared(address.family).permitting;
  const auto it = permitting.find(address);
  it->second.erase(std::find(it->second.begin(), it->second.end(), relay));
  if (it->second.empty()) permitting.erase(it);
}

void RelayTable::DropClaims(Relay* relay, const NetAddress& address) {
  auto& claims = Shared(address.family).claims;
  const auto drop = [&](const NetAddress& peer) {
    if (!(WithoutPort(peer) == address)) return false;
    claims.erase(peer);
    return true;
  };
  relay->claims.erase(std::remove_if(relay->claims.begin(), relay->claims.end(), drop), relay->claims.end());
}

void RelayTable::BindChannel(RelayId id, uint16_t number, const NetAddress& peer) {
  Relay* const relay = Find(id);
  if (relay == nullptr || relay->tcp || peer.family != relay->address.family) return;
  RelayClient* const client = relay->client;
  RemoveChannel(client, number);
  const auto bound = relay->channel_of_peer.find(peer);
  if (bound != relay->channel_of_peer.end()) RemoveChannel(client, bound->second->number);
  auto channel = std::make_unique<RelayChannel>();
  channel->number = number;
  channel->peer = peer;
  channel->relay = relay;
  channel->permitted = relay->Permits(WithoutPort(peer));
  relay->channel_of_peer[peer] = channel.get();
  const auto at = std::lower_bound(client->channels.begin(), client->channels.end(), number,
                                   [](const auto& other, uint16_t n) { return other->number < n; });
  client->channels.insert(at, std::move(channel));
  counters_.Add(kRelayChannels);
}

void RelayTable::UnbindChannel(RelayId id, uint16_t number) {
  Relay* const relay = Find(id);
  if (relay == nullptr) return;
  const RelayChannel* const channel = relay->client->Channel(number);
  if (channel != nullptr && channel->relay == relay) RemoveChannel(relay->client, number);
}

void RelayTable::RemoveChannel(RelayClient* client, uint16_t number) {
  const auto at = std::lower_bound(client->channels.begin(), client->channels.end(), number,
                                   [](const auto& channel, uint16_t n) { return channel->number < n; });
  if (at == client->channels.end() || (*at)->number != number) return;
  (*at)->relay->channel_of_peer.erase((*at)->peer);
  client->channels.erase(at);
  counters_.Remove(kRelayChannels);
}

void RelayTable::FromClient(int64_t now_us, const RelayClientKey& client, const uint8_t* data, size_t length) {
  counters_.Add(kRelayReceivedPackets);
  counters_.Add(kRelayReceivedBytes, length);
  if (length > 0 && LooksLikeChannelData(data[0])) return TakeChannelData(now_us, client, data, length);
  if (!IsWholeStun(data, length)) return counters_.Add(kRelayDroppedMalformed);
  if (StunType(data) == kSendIndication) return TakeSend(now_us, client, data, length);
  TakeMessage(now_us, client, data, length);
}

void RelayTable::TakeChannelData(int64_t now_us, const RelayClientKey& key, const uint8_t* data, size_t length) {
  ChannelData message;
  if (!ParseChannelData(data, length, &message)) return counters_.Add(kRelayDroppedMalformed);
  const auto client = clients_.find(key.path);
  if (client == clients_.end()) return counters_.Add(kRelayDroppedNoRelay);
  const RelayChannel* const channel = client->second->Channel(message.channel);
  if (channel == nullptr) return counters_.Add(kRelayDroppedNoChannel);
  ToPeer(now_us, channel->relay, channel->peer, channel->permitted, message.data, message.length, length, false);
}

void RelayTable::TakeSend(int64_t now_us, const RelayClientKey& key, const uint8_t* data, size_t length) {
  const auto client = clients_.find(key.path);
  // Looked up first, so that strangers cost no more than that.
  if (client == clients_.end()) return counters_.Add(kRelayDroppedNoRelay);
  SendIndication message;
  if (!ParseSendIndication(data, length, &message)) return counters_.Add(kRelayDroppedMalformed);
  if (message.unknown_attribute) return counters_.Add(kRelayDroppedUnknownAttribute);
  if (!message.has_peer || !message.has_data) return counters_.Add(kRelayDroppedMalformed);
  Relay* const relay = client->second->relays[message.peer.family == 6];
  if (relay == nullptr || relay->tcp) return counters_.Add(kRelayDroppedNoRelay);
  const bool permitted = relay->Permits(WithoutPort(message.peer));
  ToPeer(now_us, relay, message.peer, permitted, message.data, message.length, length, message.dont_fragment);
}

void RelayTable::TakeMessage(int64_t now_us, const RelayClientKey& key, const uint8_t* data, size_t length) {
  if (!HasRelay(key.path) && !limiter_.Allow(key.path.remote, now_us)) return counters_.Add(kRelayDroppedMessageRate);
  EventRecord record = NewRelayRecord(RelayEventType::kMessage);
  AppendClient(&record, key);
  record.Bytes(data, length);
  sink_->EmitRelay(&record, true);
}

void RelayTable::ToPeer(int64_t now_us, Relay* relay, const NetAddress& peer, bool permitted, const uint8_t* data,
                        size_t length, size_t wire_length, bool dont_fragment) {
  ++relay->totals.from_client_packets;
  relay->totals.from_client_bytes += wire_length;
  if (!permitted) return counters_.Add(kRelayDroppedNoPermission);
  if (peer.port < first_peer_port_ || peer.port > last_peer_port_) return counters_.Add(kRelayDroppedPeerPort);
  if (!relay->from_client.Take(wire_length, now_us)) {
    ++relay->totals.capped_packets;
    return counters_.Add(kRelayDroppedBandwidth);
  }
  Transmit(relay, peer, data, length, dont_fragment);
}

void RelayTable::SendToPeer(RelayId id, const NetAddress& peer, const uint8_t* data, size_t length, bool dont_fragment) {
  Relay* const relay = Find(id);
  if (relay == nullptr || relay->tcp || peer.family != relay->address.family) return;
  Transmit(relay, peer, data, length, dont_fragment);
}

void RelayTable::Transmit(Relay* relay, const NetAddress& peer, const uint8_t* data, size_t length, bool dont_fragment) {
  bool own_port = false;
  if (relay->shared && !Claim(relay, peer, &own_port)) return counters_.Add(kRelayDroppedClaimLimit);
  uint8_t* const out = sink_->Reserve();
  if (length > 0) std::memcpy(out, data, length);
  if (!sink_->SendToPeer(relay, peer, length, dont_fragment, own_port)) return;
  ++relay->totals.to_peer_packets;
  relay->totals.to_peer_bytes += length;
}

bool RelayTable::Claim(Relay* relay, const NetAddress& peer, bool* own_port) {
  auto& claims = Shared(peer.family).claims;
  const auto it = claims.find(peer);
  if (it != claims.end() && it->second == relay) return true;
  *own_port = it != claims.end() ||
              std::find(shared_addresses_.begin(), shared_addresses_.end(), peer) != shared_addresses_.end();
  if (*own_port) return true;
  if (relay->claims.size() >= kMaxClaims) return false;
  // A claim lives no longer than the permission, which a datagram of the control plane's may lack.
  if (!relay->Permits(WithoutPort(peer))) return true;
  claims.emplace(peer, relay);
  relay->claims.push_back(peer);
  return true;
}

Relay* RelayTable::OwnerOf(const NetAddress& peer) {
  const SharedPort& shared = Shared(peer.family);
  const auto claim = shared.claims.find(peer);
  if (claim != shared.claims.end()) return claim->second;
  const auto permitting = shared.permitting.find(WithoutPort(peer));
  if (permitting == shared.permitting.end()) {
    counters_.Add(kRelayDroppedNoPermission);
    return nullptr;
  }
  Relay* owner = nullptr;
  for (Relay* relay : permitting->second) {
    // A relay does not hear itself.
    if (relay->has_own_port && relay->own_port == peer) continue;
    if (owner != nullptr) {
      counters_.Add(kRelayDroppedAmbiguousPeer);
      return nullptr;
    }
    owner = relay;
  }
  if (owner == nullptr) counters_.Add(kRelayDroppedNoPermission);
  return owner;
}

void RelayTable::FromSharedPeer(int64_t now_us, const NetAddress& peer, const uint8_t* data, size_t length) {
  Relay* const relay = OwnerOf(peer);
  if (relay != nullptr) return FromPeer(now_us, relay, peer, data, length);
  counters_.Add(kRelayReceivedPackets);
  counters_.Add(kRelayReceivedBytes, length);
}

void RelayTable::FromPeer(int64_t now_us, Relay* relay, const NetAddress& peer, const uint8_t* data, size_t length) {
  counters_.Add(kRelayReceivedPackets);
  counters_.Add(kRelayReceivedBytes, length);
  const auto bound = relay->channel_of_peer.find(peer);
  const RelayChannel* const channel = bound == relay->channel_of_peer.end() ? nullptr : bound->second;
  if (channel != nullptr ? !channel->permitted : !relay->Permits(WithoutPort(peer))) {
    return counters_.Add(kRelayDroppedNoPermission);
  }
  ++relay->totals.from_peer_packets;
  relay->totals.from_peer_bytes += length;
  uint8_t* const out = sink_->Reserve();
  size_t size;
  if (channel != nullptr) {
    if (length > 0) std::memcpy(out + kChannelHeaderBytes, data, length);
    size = FrameChannelData(out, channel->number, length, relay->client->is_stream);
  } else {
    size = WriteDataIndication(out, seed_, indications_ + 1, peer, data, length);
  }
  if (!relay->to_client.Take(size, now_us)) {
    ++relay->totals.capped_packets;
    return counters_.Add(kRelayDroppedBandwidth);
  }
  if (channel == nullptr) ++indications_;
  if (!sink_->SendToClient(*relay->client, size)) return;
  ++relay->totals.to_client_packets;
  relay->totals.to_client_bytes += size;
}

void RelayTable::ReadTotals(std::vector<double>* out) const {
  for (const auto& [id, relay] : relays_) AppendTotals(id, relay->totals, out);
}

}  // namespace conclave
