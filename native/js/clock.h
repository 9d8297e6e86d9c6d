// The clock of all ages: it never goes back, and is CLOCK_MONOTONIC.
#pragma once

#include <chrono>
#include <cstdint>

namespace wanmark {

inline uint64_t MonotonicMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace wanmark
