// Makes the packets of one frame equally long, so that they leave for each receiver as one message. Encoders split a frame
// evenly, and what does not divide makes its last packets longer by a byte; but only the last packet of a message may differ
// from the others, and be shorter. So the earlier ones get a byte or a few of RTP padding (RFC 3550 5.1).
#pragma once

#include <cstddef>
#include <cstdint>

namespace conclave {

class RunPlanner {
 public:
  // Lower: header extensions that only a frame's first packet has part it from the others; higher: more bytes are sent
  // to save a message, which costs about as much CPU as encrypting a packet.
  static constexpr size_t kMaxPadding = 16;

  // Forgets the packets before.
  void Begin() { count_ = 0; }
  // Of packets that were read together, asked from the last to the first: the padding for one that is `length` bytes long.
  uint8_t PaddingFor(uint32_t ssrc, uint32_t timestamp, size_t length) {
    for (size_t i = 0; i < count_; ++i) {
      Frame& frame = frames_[i];
      if (frame.ssrc != ssrc || frame.timestamp != timestamp) continue;
      if (length < frame.length && frame.length - length <= kMaxPadding) return static_cast<uint8_t>(frame.length - length);
      frame.length = length;
      return 0;
    }
    // More frames than that are not read together; of those the earlier ones are sent as they are.
    if (count_ < kMaxFrames) frames_[count_++] = {ssrc, timestamp, length};
    return 0;
  }

 private:
  static constexpr size_t kMaxFrames = 32;
  struct Frame {
    uint32_t ssrc;
    uint32_t timestamp;
    size_t length;
  };
  Frame frames_[kMaxFrames];
  size_t count_ = 0;
};

}  // namespace conclave
