// Tests when the I/O thread leaves packets to gather.
#include "queue/gathering.h"

#include "check.h"

using namespace wanmark;

namespace {

constexpr uint64_t kMs = 1'000'000;

/**
 * Settles batches of `packets` every `every_ns` for 100 ms. Returns after how many of them there was a pause,
 * which must be of `expected_ns`.
 */
int Pauses(bool asked, uint32_t packets, uint64_t every_ns, uint64_t expected_ns = Gathering::kMostPauseNs) {
  Gathering gathering;
  int pauses = 0;
  for (uint64_t now = 1000 * kMs; now < 1100 * kMs; now += every_ns) {
    const uint64_t pause = gathering.Settled(packets, asked ? packets : 0, now);
    CHECK(pause == 0 || pause == expected_ns);
    pauses += pause != 0;
  }
  return pauses;
}

void TestRates() {
  // At 1,000 and at 10,000 a second, one at a time, none is delayed.
  for (const bool asked : {false, true}) {
    CHECK_EQUAL(Pauses(asked, 1, kMs), 0);
    CHECK_EQUAL(Pauses(asked, 1, kMs / 10), 0);
    // A backlog is taken at once.
    CHECK_EQUAL(Pauses(asked, Gathering::kBacklog, kMs / 2), 0);
  }
  // From the second window on there is always a pause, which is longer the more packets there are: 20,000 a
  // second, 40,000 and 100,000.
  CHECK(Pauses(true, 1, kMs / 20, Gathering::kMostPauseNs / 2) > 1800);
  CHECK(Pauses(true, 10, kMs / 2, Gathering::kMostPauseNs / 2) > 180);
  CHECK(Pauses(true, 10, kMs / 4) > 370);
  CHECK(Pauses(true, 10, kMs / 10) > 930);
  // What is planned does not wait until 25,000 a second; the pause is the longest from 40,000 on.
  CHECK_EQUAL(Pauses(false, 1, kMs / 20), 0);
  CHECK(Pauses(false, 13, kMs * 2 / 5, Gathering::kMostPauseNs / 2) > 230);
  CHECK(Pauses(false, 10, kMs / 10) > 930);
}

/**
 * A burst after a long silence is over before it is known to be one. The end of a burst is known within a
 * window.
 */
void TestBurst() {
  Gathering gathering;
  gathering.Settled(1, 1, 1 * kMs);
  CHECK_EQUAL(gathering.Settled(50, 50, 9000 * kMs), 0);
  for (uint64_t us = 0; us < 10'000; us += 50) gathering.Settled(1, 1, 10'000 * kMs + us * 1000);
  CHECK(gathering.Settled(1, 1, 10'010 * kMs) > 0);
  gathering.Settled(1, 1, 10'100 * kMs);
  CHECK_EQUAL(gathering.Settled(1, 1, 10'101 * kMs), 0);
}

}  // namespace

int main() {
  TestRates();
  TestBurst();
}
