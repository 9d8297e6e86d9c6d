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
  /** Packets a second: up to `busy`, nothing waits; from `full` on, the pause is the longest. */
  struct Rates {
    uint64_t busy;
    uint64_t full;
  };
  /** While JS is asked, a decision costs the wake-ups of two threads. */
  static constexpr Rates kAsked{10'000, 30'000};
  /** While decisions are planned, it costs one, and is done in less time than a pause. */
  static constexpr Rates kPlanned{25'000, 40'000};
  /**
   * A pause is part of a first packet's way. Each wake-up of a thread costs some 10 us, which is most of the
   * price of a decision, but a longer way is worth that only where CPU time runs short. The pause therefore
   * grows with the rate.
   */
  static constexpr uint64_t kMostPauseNs = 300'000;
  /** A batch of this many shows a backlog, so there is nothing to wait for. */
  static constexpr uint32_t kBacklog = 48;
  static constexpr uint64_t kWindowNs = 5'000'000;

  /**
   * Notes that a batch of `packets` is settled, of which JS was asked about `asked`. Returns how long not to
   * look for more; 0 means to look at once.
   */
  uint64_t Settled(uint32_t packets, uint32_t asked, uint64_t now_ns) {
    count_ += packets;
    asked_ += asked;
    const uint64_t age = now_ns - since_ns_;
    if (age >= kWindowNs) {
      const uint64_t rate = count_ * 1'000'000'000 / age;
      const Rates rates = 2 * asked_ > count_ ? kAsked : kPlanned;
      const uint64_t above = std::clamp(rate, rates.busy, rates.full) - rates.busy;
      pause_ns_ = kMostPauseNs * above / (rates.full - rates.busy);
      since_ns_ = now_ns;
      count_ = asked_ = 0;
    }
    return packets < kBacklog ? pause_ns_ : 0;
  }

 private:
  uint64_t since_ns_ = 0;
  uint64_t count_ = 0;
  uint64_t asked_ = 0;
  uint64_t pause_ns_ = 0;
};

}  // namespace wanmark
