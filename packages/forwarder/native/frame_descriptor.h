// Key frames by the descriptors that travel beside an encrypted payload, or in clear at its start.
#pragma once

#include <cstddef>
#include <cstdint>

#include "packet.h"

namespace conclave {

// First packet of a frame without dependencies, by the generic frame descriptor, version 00.
bool StartsKeyFrameByGenericDescriptor(const uint8_t* data, size_t length);

// First packet of a frame that carries a template structure, by the AV1 RTP dependency descriptor (appendix A).
bool StartsKeyFrameByDependencyDescriptor(const uint8_t* data, size_t length);

// First packet of a key frame, by the VP8 payload descriptor (RFC 7741 4.2) and the first bit of the frame behind it.
bool StartsKeyFrameByVp8Payload(const uint8_t* data, size_t length);

// By whichever descriptor the packet carries; by its payload if its sender negotiated none (`described` is false).
bool StartsKeyFrame(const RtpPacket& packet, bool described);

}  // namespace conclave
