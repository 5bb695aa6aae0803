#include "frame_descriptor.h"

namespace conclave {

bool StartsKeyFrameByGenericDescriptor(const uint8_t* data, size_t length) {
  constexpr uint8_t kBeginning = 0x80;
  constexpr uint8_t kDependencies = 0x08;
  return length >= 1 && (data[0] & (kBeginning | kDependencies)) == kBeginning;
}

bool StartsKeyFrameByDependencyDescriptor(const uint8_t* data, size_t length) {
  // Three mandatory bytes; a fourth begins with template_dependency_structure_present_flag.
  return length >= 4 && (data[0] & 0x80) != 0 && (data[3] & 0x80) != 0;
}

bool StartsKeyFrameByVp8Payload(const uint8_t* data, size_t length) {
  constexpr uint8_t kExtended = 0x80, kStart = 0x10, kPartition = 0x07;
  constexpr uint8_t kPictureId = 0x80, kLongPictureId = 0x80, kTl0Index = 0x40, kLayerOrKeyIndex = 0x30;
  if (length < 1 || (data[0] & (kStart | kPartition)) != kStart) return false;
  size_t at = 1;
  if ((data[0] & kExtended) != 0) {
    if (length < 2) return false;
    const uint8_t fields = data[1];
    at = 2;
    if ((fields & kPictureId) != 0) {
      if (length <= at) return false;
      at += (data[at] & kLongPictureId) != 0 ? 2 : 1;
    }
    if ((fields & kTl0Index) != 0) ++at;
    if ((fields & kLayerOrKeyIndex) != 0) ++at;
  }
  constexpr uint8_t kDelta = 0x01;
  return at < length && (data[at] & kDelta) == 0;
}

bool StartsKeyFrame(const RtpPacket& packet, bool described) {
  if (!described) return StartsKeyFrameByVp8Payload(packet.payload, packet.payload_length);
  const ExtensionView& generic = packet.extensions[kGenericFrameDescriptor];
  const ExtensionView& dependency = packet.extensions[kDependencyDescriptor];
  return StartsKeyFrameByGenericDescriptor(generic.data, generic.length) ||
         StartsKeyFrameByDependencyDescriptor(dependency.data, dependency.length);
}

}  // namespace conclave
