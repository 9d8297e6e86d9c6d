// When to leave packets to gather: a thread that sleeps in poll is woken for each packet, which costs whoever
// sent it and us more than the packet's own handling; one that looks again after a moment finds several, and
// JS is asked once for all. No clock and no I/O; times are nanoseconds of a clock that never goes back.
#pragma once

#include <algorithm>
#include <cstdint>

namespace wanmark {

class Gathering {
 public:
  /** Up to so many packets a second nothing waits. */
  static constexpr uint64_t kBusyRate = 10'000;
  /** A pause is part of a first packet's way. Waking a thread up costs some 10 us each time, so this is where
   * most of a decision's price goes; but only where CPU time runs short is that worth a longer way. So a
   * pause grows with the rate, and from kFullRate on it is this. */
  static constexpr uint64_t kMostPauseNs = 300'000;
  static constexpr uint64_t kFullRate = 30'000;
  /** With so many at once there is a backlog, and nothing to wait for. */
  static constexpr uint32_t kBacklog = 48;
  static constexpr uint64_t kWindowNs = 5'000'000;

  /** A batch of `packets` is settled. Returns for how long not to look for more; 0: look at once. */
  uint64_t Settled(uint32_t packets, uint64_t now_ns) {
    count_ += packets;
    const uint64_t age = now_ns - since_ns_;
    if (age >= kWindowNs) {
      const uint64_t rate = count_ * 1'000'000'000 / age;
      const uint64_t busy = std::clamp(rate, kBusyRate, kFullRate) - kBusyRate;
      pause_ns_ = kMostPauseNs * busy / (kFullRate - kBusyRate);
      since_ns_ = now_ns;
      count_ = 0;
    }
    return packets < kBacklog ? pause_ns_ : 0;
  }

 private:
  uint64_t since_ns_ = 0;
  uint64_t count_ = 0;
  uint64_t pause_ns_ = 0;
};

}  // namespace wanmark
