// The clock of everything that lasts.
#pragma once

#include <time.h>

#include <cstdint>

namespace conclave {

// Microseconds on the monotonic clock.
inline int64_t MonotonicUs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

}  // namespace conclave
