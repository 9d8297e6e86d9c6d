// Decides when to dump: as often as two percent of one core allow. There is no clock and no I/O here; times
// are microseconds.
#pragma once

#include <algorithm>
#include <cstdint>

namespace wanmark {

class CtPace {
 public:
  /** The inverse of the share of one core that dumps may take. */
  static constexpr uint64_t kInverseShare = 50;
  /** How long the next dump may wait while nothing happens. */
  static constexpr uint64_t kIdleUs = 1'000'000;
  /** How long after the last decision or the last overrun a dump comes early to put the counts right. */
  static constexpr uint64_t kQuietUs = 500'000;

  explicit CtPace(uint64_t least_interval_us) : least_(least_interval_us) {}

  /**
   * Notes that a dump that began at `start` took `cost` of CPU time. `active` says whether it, or the events
   * before it, told anything new. A dump that came early pays for itself: the next one is due later by as
   * much.
   */
  void Ended(uint64_t start, uint64_t cost, bool active) {
    const uint64_t pause = std::max(least_, cost * kInverseShare);
    if (early_) {
      due_ += pause;
    } else {
      idle_ = active ? 0 : std::min(std::max(2 * idle_, least_), kIdleUs);
      due_ = start + std::max(pause, idle_);
    }
    early_paid_ = early_;
    early_ = false;
  }

  /**
   * Whether a dump is due. `unsettled_since` is when the last thing happened that only a dump can settle; 0
   * when there is none.
   */
  bool IsDue(uint64_t now, uint64_t unsettled_since) {
    if (now >= due_) return true;
    // There are never two early dumps in a row. What cannot be settled, such as a decision every second, must
    // not cost more.
    early_ = !early_paid_ && unsettled_since && now >= unsettled_since + kQuietUs;
    return early_;
  }

  uint64_t due() const { return due_; }

 private:
  const uint64_t least_;
  uint64_t due_ = 0;
  uint64_t idle_ = 0;
  bool early_ = false;
  bool early_paid_ = false;
};

}  // namespace wanmark
