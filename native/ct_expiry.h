// Which connections will have expired by when, if they stay as idle as a dump found them. The kernel collects
// what has expired minutes later (gc_worker), or when a dump comes by, and sends DESTROY only then;
// conntrack(8) does not list it any more. No clock; times are microseconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace wanmark {

class CtExpiry {
 public:
  /** What expires later than this much ahead is not noted. */
  static constexpr uint64_t kHorizonUs = 60'000'000;

  void Add(uint64_t at, uint64_t key) { slots_[at / kSlotUs % kSlots].push_back(key); }

  /** Calls `expired(key)` for each that was noted for a time before `now`, once. */
  template <typename Expired>
  void Take(uint64_t now, Expired expired) {
    const uint64_t until = now / kSlotUs;
    if (until > next_ + kSlots) next_ = until - kSlots;
    for (; next_ < until; next_++) {
      std::vector<uint64_t>& slot = slots_[next_ % kSlots];
      for (const uint64_t key : slot) expired(key);
      slot.clear();
    }
  }

  /** Forgets all; what is noted from here on lies behind `now`. */
  void Clear(uint64_t now) {
    for (std::vector<uint64_t>& slot : slots_) slot.clear();
    next_ = now / kSlotUs;
  }

 private:
  static constexpr uint64_t kSlotUs = 100'000;
  // More than the horizon, so that no two times of it share a slot.
  static constexpr size_t kSlots = 1024;

  std::array<std::vector<uint64_t>, kSlots> slots_;
  uint64_t next_ = 0;
};

}  // namespace wanmark
