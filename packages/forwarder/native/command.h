// Rule changes as JavaScript encodes them: little-endian records of u32 length (of the whole record), u8 operation,
// fields. One decoder serves the threads and the harness.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "flow_table.h"
#include "types.h"

namespace conclave {

// Reads little-endian fields. Reading past the end yields zeros and clears `ok`.
class FieldReader {
 public:
  FieldReader(const uint8_t* data, size_t length) : p_(data), end_(data + length) {}
  uint8_t U8();
  uint16_t U16();
  uint32_t U32();
  double F64();
  // u16 length, then the bytes; a view into the record.
  const uint8_t* Bytes(size_t* length);
  std::string Text();
  PathKey Path();
  ExtensionIds Extensions();
  std::vector<uint32_t> Ids();

  bool ok() const { return ok_; }
  size_t left() const { return static_cast<size_t>(end_ - p_); }

 private:
  const uint8_t* Take(size_t count);
  const uint8_t* p_;
  const uint8_t* end_;
  bool ok_ = true;
};

// Carries out all records. A record that is cut off ends it.
void ExecuteCommands(FlowTable* table, Sink* sink, int64_t now_us, const uint8_t* data, size_t length);

}  // namespace conclave
