// Decides when to let packets gather. A thread that sleeps in poll is woken up for each packet, which costs
// both the sender and us more than the handling of the packet. A thread that looks again after a moment finds
// several packets and asks JS once for all of them. There is no clock and no I/O here; times are nanoseconds
// of a clock that never goes back.
#pragma once

#include <algorithm>
#include <cstdint>

namespace wanmark {

class Gathering {
 public:
  /** Up to this many packets a second, nothing waits. */
  static constexpr uint64_t kBusyRate = 10'000;
  /**
   * The longest pause, used from kFullRate on. A pause is part of a first packet's way. Each wake-up of a
   * thread costs some 10 us, which is most of the price of a decision, but a longer way is worth that only
   * where CPU time runs short. The pause therefore grows with the rate.
   */
  static constexpr uint64_t kMostPauseNs = 300'000;
  static constexpr uint64_t kFullRate = 30'000;
  /** A batch of this many shows a backlog, so there is nothing to wait for. */
  static constexpr uint32_t kBacklog = 48;
  static constexpr uint64_t kWindowNs = 5'000'000;

  /**
   * Notes that a batch of `packets` is settled. Returns how long not to look for more; 0 means to look at
   * once.
   */
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
