#include "queue/handoff.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace wanmark {

namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) && std::atomic<uint32_t>::is_always_lock_free,
              "futex(2) takes the address of a plain 32-bit word");

/**
 * Returns when it is woken, at `until`, when `word` is not `value`, or for no reason; the caller looks again.
 */
void FutexWait(const std::atomic<uint32_t>& word, uint32_t value,
               std::chrono::steady_clock::time_point until) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(until.time_since_epoch()).count();
  const timespec end{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  // FUTEX_WAIT_BITSET takes a point in time of CLOCK_MONOTONIC, where FUTEX_WAIT takes a duration.
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value, &end, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void FutexWake(const std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace

bool Handoff::Move(State from, State to) {
  uint32_t expected = from;
  return state_.compare_exchange_strong(expected, to, std::memory_order_acq_rel, std::memory_order_acquire);
}

bool Handoff::Idle() const { return state_.load(std::memory_order_acquire) == kFree; }

bool Handoff::Ask(uint32_t count, std::chrono::milliseconds deadline) {
  count_ = count;
  if (!Move(kFree, kAsked)) return false;
  wake_();
  const auto until = Clock::now() + deadline;
  while (true) {
    const uint32_t state = state_.load(std::memory_order_acquire);
    if (state == kAnswered) return true;
    if (state & kAbandoned) return false;
    const auto now = Clock::now();
    if (now >= until) {
      expired_at_ = now;
      // When both fail, JS has just taken the question, answered it, or gone. The loop looks again.
      if (Move(kAsked, kLate) || Move(kTaken, kLateTaken)) return false;
      continue;
    }
    FutexWait(state_, state, until);
  }
}

std::chrono::milliseconds Handoff::Lateness() const {
  const uint32_t state = state_.load(std::memory_order_acquire);
  if (state != kLate && state != kLateTaken) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - expired_at_);
}

void Handoff::Release() { Move(kAnswered, kFree); }

uint32_t Handoff::Take() {
  if (Move(kAsked, kTaken)) return count_;
  if (state_.load(std::memory_order_acquire) == kLate) Recover(kLate);
  return 0;
}

void Handoff::Answer() {
  if (Move(kTaken, kAnswered)) return FutexWake(state_);
  if (state_.load(std::memory_order_acquire) == kLateTaken) Recover(kLateTaken);
}

void Handoff::Recover(State from) {
  const auto late = std::chrono::ceil<std::chrono::milliseconds>(Clock::now() - expired_at_);
  lateness_ = std::max(late, std::chrono::milliseconds(1));
  Move(from, kFree);
}

std::chrono::milliseconds Handoff::TakeLateness() {
  return std::exchange(lateness_, std::chrono::milliseconds(0));
}

bool Handoff::Answered() const { return state_.load(std::memory_order_acquire) == kAnswered; }

void Handoff::Abandon() {
  state_.fetch_or(kAbandoned, std::memory_order_acq_rel);
  FutexWake(state_);
}

}  // namespace wanmark
