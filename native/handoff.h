// How the I/O thread and the JS thread pass the batch memory to each other.
//
//   kFree --Ask--> kAsked --Take--> kTaken --Answer--> kAnswered --Release--> kFree
//
// The I/O thread owns the memory in kFree and kAnswered, JS in kAsked and kTaken. When the deadline passes
// the I/O thread goes on without the memory: it stays with JS until JS comes back, and then becomes free
// unread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace wanmark {

class Handoff {
 public:
  /** `wake` makes the JS thread call Take some time later; it is called on the I/O thread. */
  explicit Handoff(std::function<void()> wake) : wake_(std::move(wake)) {}

  // --- the I/O thread ---

  /** May the memory be filled? False while JS is late and after Abandon. */
  bool Idle();
  /**
   * Hands over `count` packets and waits for the answer. False: it did not come within `deadline`, or JS is
   * gone; the memory must not be touched until Idle() says so.
   */
  bool Ask(uint32_t count, std::chrono::milliseconds deadline);
  /** How long JS has been late by now, since the deadline passed; 0 while it is not. */
  std::chrono::milliseconds Lateness();
  /** The answers of an Ask that returned true have been read. */
  void Release();

  // --- the JS thread ---

  /** How many packets to decide; 0 when there is nothing, or the question is too old to be worth an answer.
   */
  uint32_t Take();
  /** The marks are written. Does nothing when they are too late. */
  void Answer();
  /** After JS came back: how long it had been late, once for each time; 0 otherwise. */
  std::chrono::milliseconds TakeLateness();
  /** Is there an answer that the I/O thread has not released yet? */
  bool Answered();
  /** JS will not answer any more: an Ask under way returns false at once, and so does every later one. */
  void Abandon();

 private:
  using Clock = std::chrono::steady_clock;

  /** JS came back after the deadline: the memory is free again. */
  void Recover();

  enum class State { kFree, kAsked, kTaken, kAnswered };

  std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable answered_;
  State state_ = State::kFree;
  uint32_t count_ = 0;
  bool expired_ = false;
  Clock::time_point expired_at_;
  std::chrono::milliseconds lateness_{0};
  bool abandoned_ = false;
};

}  // namespace wanmark
