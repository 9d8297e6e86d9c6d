// Which of many decisions JS hears of where it needs to hear of some only: those by which it sees what
// becomes of connections (src/wan/passive/), which takes a few of what it is told. There is no clock and no
// I/O here; times are milliseconds of a clock that never goes back.
#pragma once

#include <netinet/in.h>

#include <cstdint>

#include "queue/flow_key.h"

namespace wanmark {

/**
 * Takes all while they are few, and a part by chance beyond that: chance, since the flows of several clients
 * may come in turns. Each mark, family and protocol has its own share, so that a flood of one does not hide
 * another; protocols other than TCP and UDP are of no use. Not thread-safe.
 */
class Sampling {
 public:
  struct Share {
    /** So many at the beginning of each window are all taken. */
    uint32_t all_of;
    /** Of the others one in so many is. A power of two. */
    uint32_t one_in;
    /** How long it may be kept until JS hears of it. */
    uint32_t tell_within_ms;
  };
  /** Its answers are looked for first after 25 ms, and 500 a second of them. */
  static constexpr Share kTcp{32, 16, 20};
  /** Its answers are looked for first after 250 ms, and 20 a second for each mark. */
  static constexpr Share kUdp{4, 64, 100};
  static constexpr uint64_t kWindowMs = 25;

  /** Returns the share of a flow that is taken; null for one that is not. */
  const Share* Takes(const FlowKey& flow, uint32_t mark, uint64_t now_ms) {
    if (flow.proto != IPPROTO_TCP && flow.proto != IPPROTO_UDP) return nullptr;
    const Share& share = flow.proto == IPPROTO_TCP ? kTcp : kUdp;
    // Marks lie anywhere in their field, so they are spread by a multiplication (Fibonacci hashing).
    const uint32_t kind = (flow.proto == IPPROTO_TCP ? 2u : 0u) | (flow.family == 6 ? 1u : 0u);
    Passed& passed = passed_[((mark + kind * 0x01000193) * 0x9e3779b1) >> (32 - kBits)];
    if (now_ms - passed.since_ms >= kWindowMs) passed = {now_ms, 0};
    if (passed.count++ < share.all_of || (Random() & (share.one_in - 1)) == 0) return &share;
    return nullptr;
  }

 private:
  struct Passed {
    uint64_t since_ms = 0;
    uint32_t count = 0;
  };
  /** Two that meet in one place share what both have alone. */
  static constexpr int kBits = 6;

  /** Marsaglia's xorshift32, "Xorshift RNGs" (2003). */
  uint32_t Random() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    return random_ ^= random_ << 5;
  }

  Passed passed_[1 << kBits];
  uint32_t random_ = 0x9e3779b9;
};

}  // namespace wanmark
