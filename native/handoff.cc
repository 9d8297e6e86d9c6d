#include "handoff.h"

#include <algorithm>
#include <utility>

namespace wanmark {

bool Handoff::Idle() {
  std::lock_guard lock(mutex_);
  return state_ == State::kFree && !abandoned_;
}

bool Handoff::Ask(uint32_t count, std::chrono::milliseconds deadline) {
  std::unique_lock lock(mutex_);
  if (abandoned_) return false;
  state_ = State::kAsked;
  count_ = count;
  expired_ = false;
  lock.unlock();
  wake_();
  lock.lock();
  // The steady clock makes this pthread_cond_clockwait: setting the date neither shortens nor lengthens it.
  const auto until = Clock::now() + deadline;
  answered_.wait_until(lock, until, [this] { return state_ == State::kAnswered || abandoned_; });
  if (state_ == State::kAnswered && !abandoned_) return true;
  expired_ = true;
  expired_at_ = Clock::now();
  return false;
}

std::chrono::milliseconds Handoff::Lateness() {
  std::lock_guard lock(mutex_);
  if (!expired_ || abandoned_ || state_ == State::kFree) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - expired_at_);
}

void Handoff::Recover() {
  state_ = State::kFree;
  const auto late = std::chrono::ceil<std::chrono::milliseconds>(Clock::now() - expired_at_);
  lateness_ = std::max(late, std::chrono::milliseconds(1));
}

std::chrono::milliseconds Handoff::TakeLateness() {
  std::lock_guard lock(mutex_);
  return std::exchange(lateness_, std::chrono::milliseconds(0));
}

void Handoff::Release() {
  std::lock_guard lock(mutex_);
  state_ = State::kFree;
}

uint32_t Handoff::Take() {
  std::lock_guard lock(mutex_);
  if (state_ != State::kAsked) return 0;
  if (expired_) {
    Recover();
    return 0;
  }
  state_ = State::kTaken;
  return count_;
}

void Handoff::Answer() {
  std::lock_guard lock(mutex_);
  if (state_ != State::kTaken) return;
  if (expired_) return Recover();
  state_ = State::kAnswered;
  answered_.notify_one();
}

bool Handoff::Answered() {
  std::lock_guard lock(mutex_);
  return state_ == State::kAnswered;
}

void Handoff::Abandon() {
  std::lock_guard lock(mutex_);
  abandoned_ = true;
  answered_.notify_one();
}

}  // namespace wanmark
