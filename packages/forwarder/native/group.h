// A conference's shared audio slots.
#pragma once

#include <vector>

#include "egress.h"
#include "ingress.h"

namespace conclave {

struct GroupReceiver {
  Peer* peer;
  std::vector<Egress*> egresses;   // by slot; null where there is none
  std::vector<IngressId> allowed;  // sorted
  std::vector<uint8_t> permitted;  // by slot: whether its source is allowed
};

struct Group {
  Group(GroupId group_id, size_t slots) : id(group_id), sources(slots, nullptr) {}

  GroupId id;
  std::vector<Ingress*> sources;
  std::vector<GroupReceiver> receivers;
};

}  // namespace conclave
