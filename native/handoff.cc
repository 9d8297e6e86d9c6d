#include "handoff.h"

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
  const auto until = std::chrono::steady_clock::now() + deadline;
  answered_.wait_until(lock, until, [this] { return state_ == State::kAnswered || abandoned_; });
  if (state_ == State::kAnswered && !abandoned_) return true;
  expired_ = true;
  return false;
}

void Handoff::Release() {
  std::lock_guard lock(mutex_);
  state_ = State::kFree;
}

uint32_t Handoff::Take() {
  std::lock_guard lock(mutex_);
  if (state_ != State::kAsked) return 0;
  state_ = expired_ ? State::kFree : State::kTaken;
  return expired_ ? 0 : count_;
}

void Handoff::Answer() {
  std::lock_guard lock(mutex_);
  if (state_ != State::kTaken) return;
  state_ = expired_ ? State::kFree : State::kAnswered;
  if (!expired_) answered_.notify_one();
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
