#include "relay_command.h"

#include "command.h"

namespace conclave {
namespace {

enum Operation : uint8_t {
  kOpenRelay = 1,
  kCloseRelay = 2,
  kAddPermission = 3,
  kRemovePermission = 4,
  kBindChannel = 5,
  kUnbindChannel = 6,
  kSendToPeer = 7,
  kSend = 8,
  kCloseClient = 9,
  kConnectPeer = 10,
  kAcceptPeer = 11,
  kRefusePeer = 12,
  kJoinConnection = 13,
  kCloseConnection = 14,
};

void OpenRelay(RelayRules* rules, FieldReader* r) {
  RelayRequest request;
  request.id = r->U32();
  request.client = ReadRelayClient(r);
  const uint8_t flags = r->U8();
  request.tcp = flags & 1;
  request.family = flags & 2 ? 6 : 4;
  request.even_port = flags & 4;
  request.reserves_next = flags & 8;
  request.reserved = flags & 16;
  request.next_id = r->U32();
  request.max_bytes_per_second = r->F64();
  if (r->ok()) rules->OpenRelay(request);
}

void OfRelay(RelayRules* rules, uint8_t operation, FieldReader* r) {
  const RelayId id = r->U32();
  switch (operation) {
    case kCloseRelay:
      if (r->ok()) rules->CloseRelay(id);
      return;
    case kUnbindChannel: {
      const uint16_t channel = r->U16();
      if (r->ok()) rules->UnbindChannel(id, channel);
      return;
    }
    default: break;
  }
  const NetAddress peer = r->Path().remote;
  if (!r->ok()) return;
  switch (operation) {
    case kAddPermission: return rules->AddPermission(id, peer);
    case kRemovePermission: return rules->RemovePermission(id, peer);
    case kBindChannel: {
      const uint16_t channel = r->U16();
      if (r->ok()) rules->BindChannel(id, channel, peer);
      return;
    }
    case kConnectPeer: {
      const ConnectionId connection = r->U32();
      if (r->ok()) rules->ConnectPeer(id, connection, peer);
      return;
    }
    case kSendToPeer: {
      const bool dont_fragment = r->U8() != 0;
      size_t length = 0;
      const uint8_t* const data = r->Bytes(&length);
      if (r->ok() && length <= kMaxDatagram) rules->SendToPeer(id, peer, data, length, dont_fragment);
      return;
    }
    default: return;
  }
}

void OfClient(RelayRules* rules, uint8_t operation, FieldReader* r) {
  const RelayClientKey client = ReadRelayClient(r);
  if (!r->ok()) return;
  if (operation == kCloseClient) return rules->CloseClient(client);
  if (operation == kJoinConnection) {
    const ConnectionId connection = r->U32();
    const uint32_t thread = r->U8();
    if (r->ok()) rules->JoinConnection(connection, client, thread);
    return;
  }
  size_t length = 0;
  const uint8_t* const data = r->Bytes(&length);
  if (r->ok() && length <= kMaxDatagram) rules->Send(client, data, length);
}

void OfIncoming(RelayRules* rules, uint8_t operation, FieldReader* r) {
  const double id = r->F64();
  const SocketId incoming = id >= 0 && id < 0x1p53 ? static_cast<SocketId>(id) : 0;
  if (operation == kRefusePeer) {
    if (r->ok()) rules->RefusePeer(incoming);
    return;
  }
  const ConnectionId connection = r->U32();
  if (r->ok()) rules->AcceptPeer(incoming, connection);
}

void Execute(RelayRules* rules, uint8_t operation, FieldReader* r) {
  switch (operation) {
    case kOpenRelay: return OpenRelay(rules, r);
    case kCloseRelay:
    case kAddPermission:
    case kRemovePermission:
    case kBindChannel:
    case kUnbindChannel:
    case kSendToPeer:
    case kConnectPeer: return OfRelay(rules, operation, r);
    case kSend:
    case kCloseClient:
    case kJoinConnection: return OfClient(rules, operation, r);
    case kAcceptPeer:
    case kRefusePeer: return OfIncoming(rules, operation, r);
    case kCloseConnection: {
      const ConnectionId connection = r->U32();
      if (r->ok()) rules->CloseConnection(connection);
      return;
    }
    default: return;
  }
}

}  // namespace

RelayClientKey ReadRelayClient(FieldReader* r) {
  RelayClientKey client;
  client.transport = static_cast<RelayTransport>(r->U8() & 3);
  client.path = r->Path();
  client.local = r->Path().remote;
  return client;
}

void ExecuteRelayCommands(RelayRules* rules, const uint8_t* data, size_t length) {
  while (length >= 5) {
    const size_t record = FieldReader(data, 4).U32();
    if (record < 5 || record > length) return;
    FieldReader reader(data + 5, record - 5);
    Execute(rules, data[4], &reader);
    data += record;
    length -= record;
  }
}

}  // namespace conclave
