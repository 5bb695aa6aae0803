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

bool StartsKeyFrame(const RtpPacket& packet) {
  const ExtensionView& generic = packet.extensions[kGenericFrameDescriptor];
  const ExtensionView& dependency = packet.extensions[kDependencyDescriptor];
  return StartsKeyFrameByGenericDescriptor(generic.data, generic.length) ||
         StartsKeyFrameByDependencyDescriptor(dependency.data, dependency.length);
}

}  // namespace conclave
