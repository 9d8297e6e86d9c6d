// How the I/O thread and the JS thread pass the batch memory to each other.
//
//   kFree --Ask--> kAsked --Take--> kTaken --Answer--> kAnswered --Release--> kFree
//
// The I/O thread owns the memory in kFree and kAnswered, JS in kAsked and kTaken. When the deadline passes
// the I/O thread goes on without the memory (kLate, kLateTaken): it stays with JS until JS comes back, and
// then becomes free unread.
//
// The state is a futex: with a mutex and a condition variable, each decision would cost a second waking up,
// for the mutex, and two system calls more.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

namespace wanmark {

class Handoff {
 public:
  /** `wake` makes the JS thread call Take some time later; it is called on the I/O thread. */
  explicit Handoff(std::function<void()> wake) : wake_(std::move(wake)) {}

  // --- the I/O thread ---

  /** May the memory be filled? False while JS is late and after Abandon. */
  bool Idle() const;
  /**
   * Hands over `count` packets and waits for the answer. False: it did not come within `deadline`, or JS is
   * gone; the memory must not be touched until Idle() says so.
   */
  bool Ask(uint32_t count, std::chrono::milliseconds deadline);
  /** How long JS has been late by now, since the deadline passed; 0 while it is not. */
  std::chrono::milliseconds Lateness() const;
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
  bool Answered() const;
  /** JS will not answer any more: an Ask under way returns false at once, and so does every later one. */
  void Abandon();

 private:
  /** The steady one, which is CLOCK_MONOTONIC: setting the date neither shortens nor lengthens a deadline. */
  using Clock = std::chrono::steady_clock;

  enum State : uint32_t { kFree, kAsked, kTaken, kAnswered, kLate, kLateTaken };
  /** Beside the state; with it no state is ever left again. */
  static constexpr uint32_t kAbandoned = 1u << 31;

  /** From one state to another; false when it is in neither of them any more. */
  bool Move(State from, State to);
  /** JS came back after the deadline: the memory is free again. */
  void Recover(State from);

  std::function<void()> wake_;
  std::atomic<uint32_t> state_{kFree};
  // Handed over with the state: written before the one that says so, read after it.
  uint32_t count_ = 0;
  Clock::time_point expired_at_;
  // JS's own.
  std::chrono::milliseconds lateness_{0};
};

}  // namespace wanmark
