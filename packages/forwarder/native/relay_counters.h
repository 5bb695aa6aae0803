// Totals of the relay plane, one cell per name, summed over threads when read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace conclave {

// Name and meaning of each counter. The enum and the names cannot drift apart.
#define CONCLAVE_RELAY_COUNTERS(X)                                                        \
  X(kRelayReceivedPackets, "received_packets")                                            \
  X(kRelayReceivedBytes, "received_bytes")                                                \
  X(kRelaySentPackets, "sent_packets")                                                    \
  X(kRelaySentBytes, "sent_bytes")                                                        \
  X(kRelayConnections, "connections") /* of clients, now */                               \
  X(kRelayRelays, "relays")           /* open, now */                                     \
  X(kRelayPermissions, "permissions") /* now */                                           \
  X(kRelayChannels, "channels")       /* now */                                           \
  X(kRelayHandshakes, "handshakes")   /* TLS and DTLS, finished */                        \
  X(kRelayHandshakesFailed, "handshakes_failed")                                          \
  X(kRelayDroppedMalformed, "dropped_malformed")                                          \
  X(kRelayDroppedOversize, "dropped_oversize")                  /* over kMaxDatagram */   \
  X(kRelayDroppedMessageRate, "dropped_message_rate")           /* too often, no relay */ \
  X(kRelayDroppedConnectionLimit, "dropped_connection_limit")                             \
  X(kRelayDroppedHandshakeTimeout, "dropped_handshake_timeout") /* connections */         \
  X(kRelayDroppedNoRelay, "dropped_no_relay")                                             \
  X(kRelayDroppedNoChannel, "dropped_no_channel")                                         \
  X(kRelayDroppedNoPermission, "dropped_no_permission")                                   \
  X(kRelayDroppedPeerPort, "dropped_peer_port")           /* one that is not relayed to */ \
  X(kRelayDroppedUnknownAttribute, "dropped_unknown_attribute")                           \
  X(kRelayDroppedBandwidth, "dropped_bandwidth")         /* over an allocation's cap */   \
  X(kRelayDroppedQueueFull, "dropped_queue_full")        /* stream, socket or events */   \
  X(kRelayDroppedReceiveQueue, "dropped_receive_queue")  /* by the kernel: too slow */    \
  X(kRelayDroppedSocketError, "dropped_socket_error")                                     \
  X(kRelayDroppedNoClient, "dropped_no_client")          /* its connection is gone */     \
  X(kRelayDroppedAmbiguousPeer, "dropped_ambiguous_peer") /* shared port */               \
  X(kRelayDroppedClaimLimit, "dropped_claim_limit")       /* shared port */

enum RelayCounter : uint8_t {
#define CONCLAVE_RELAY_COUNTER_ENUM(symbol, name) symbol,
  CONCLAVE_RELAY_COUNTERS(CONCLAVE_RELAY_COUNTER_ENUM)
#undef CONCLAVE_RELAY_COUNTER_ENUM
  kRelayCounterCount,
};

inline constexpr const char* kRelayCounterNames[] = {
#define CONCLAVE_RELAY_COUNTER_NAME(symbol, name) name,
    CONCLAVE_RELAY_COUNTERS(CONCLAVE_RELAY_COUNTER_NAME)
#undef CONCLAVE_RELAY_COUNTER_NAME
};

struct RelayCounters {
  std::array<uint64_t, kRelayCounterCount> cells{};
  void Add(RelayCounter counter, uint64_t by = 1) { cells[counter] += by; }
  void Remove(RelayCounter counter, uint64_t by = 1) { cells[counter] -= by; }
};

}  // namespace conclave
