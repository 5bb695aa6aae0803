// Key frames by the descriptors that travel beside an encrypted payload.
#pragma once

#include <cstddef>
#include <cstdint>

#include "packet.h"

namespace conclave {

// First packet of a frame without dependencies, by the generic frame descriptor, version 00.
bool StartsKeyFrameByGenericDescriptor(const uint8_t* data, size_t length);

// First packet of a frame that carries a template structure, by the AV1 RTP dependency descriptor (appendix A).
bool StartsKeyFrameByDependencyDescriptor(const uint8_t* data, size_t length);

// By whichever descriptor the packet carries.
bool StartsKeyFrame(const RtpPacket& packet);

}  // namespace conclave
