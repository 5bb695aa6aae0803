// Process-wide totals, one cell per name, summed over threads when read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace conclave {

// Name and meaning of each counter. The enum and the names cannot drift apart.
#define CONCLAVE_COUNTERS(X)                                                         \
  X(kReceivedPackets, "received_packets")                                            \
  X(kReceivedBytes, "received_bytes")                                                \
  X(kSentPackets, "sent_packets")                                                    \
  X(kSentBytes, "sent_bytes")                                                        \
  X(kSentBatches, "sent_batches")                          /* system calls, UDP */   \
  X(kSentSegmentedMessages, "sent_segmented_messages")     /* runs sent as one */    \
  X(kSentSegmentedPackets, "sent_segmented_packets")       /* packets in those */    \
  X(kRefusedSegmented, "refused_segmented")                /* runs sent singly */    \
  X(kDroppedNotDemultiplexed, "dropped_not_demultiplexed") /* RFC 7983: no class */  \
  X(kDroppedOversize, "dropped_oversize")                  /* over kMaxDatagram */   \
  X(kDroppedStunRate, "dropped_stun_rate")                 /* too often, not validated */ \
  X(kDroppedNoPath, "dropped_no_path")                     /* address not validated */ \
  X(kDroppedNoKeys, "dropped_no_keys")                                               \
  X(kDroppedMalformed, "dropped_malformed")                                          \
  X(kDroppedBadTag, "dropped_bad_tag")                                               \
  X(kDroppedReplayed, "dropped_replayed")                                            \
  X(kDroppedTooOld, "dropped_too_old")                                               \
  X(kDroppedTooManySsrcs, "dropped_too_many_ssrcs")                                  \
  X(kDroppedCrypto, "dropped_crypto") /* key used up, or refused by OpenSSL */       \
  X(kDroppedUnknownSsrc, "dropped_unknown_ssrc")                                     \
  X(kDroppedPayloadType, "dropped_payload_type")                                     \
  X(kDroppedDuplicate, "dropped_duplicate")     /* recovered and original both came */ \
  X(kDroppedNoReceiver, "dropped_no_receiver")  /* no rule takes the stream */       \
  X(kDroppedNotPermitted, "dropped_not_permitted") /* per receiver of a group */     \
  X(kDroppedNotReady, "dropped_not_ready")      /* receiver without keys or path */  \
  X(kDroppedBeforeSwitch, "dropped_before_switch") /* older than its source's first */ \
  X(kDroppedQueueFull, "dropped_queue_full")    /* TCP connection or event queue */  \
  X(kDroppedReceiveQueue, "dropped_receive_queue") /* by the kernel: we were too slow */ \
  X(kDroppedSocketError, "dropped_socket_error")                                     \
  X(kDroppedNoSocket, "dropped_no_socket")      /* sent to a closed socket */        \
  X(kDroppedTcpLimit, "dropped_tcp_limit")      /* connections over the bounds */

enum Counter : uint8_t {
#define CONCLAVE_COUNTER_ENUM(symbol, name) symbol,
  CONCLAVE_COUNTERS(CONCLAVE_COUNTER_ENUM)
#undef CONCLAVE_COUNTER_ENUM
  kCounterCount,
};

inline constexpr const char* kCounterNames[] = {
#define CONCLAVE_COUNTER_NAME(symbol, name) name,
    CONCLAVE_COUNTERS(CONCLAVE_COUNTER_NAME)
#undef CONCLAVE_COUNTER_NAME
};

struct Counters {
  std::array<uint64_t, kCounterCount> cells{};
  void Add(Counter counter, uint64_t by = 1) { cells[counter] += by; }
};

}  // namespace conclave
