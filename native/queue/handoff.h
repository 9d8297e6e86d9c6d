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
  /** `wake` makes the JS thread call Take some time later. It is called on the I/O thread. */
  explicit Handoff(std::function<void()> wake) : wake_(std::move(wake)) {}

  // --- the I/O thread ---

  /** Whether the memory may be filled. False while JS is late, and after Abandon. */
  bool Idle() const;
  /**
   * Hands over `count` packets and waits for the answer. Returns false when the answer did not come within
   * `deadline`, or JS is gone; then the memory must not be touched until Idle() returns true.
   */
  bool Ask(uint32_t count, std::chrono::milliseconds deadline);
  /** Returns how long ago the deadline passed, while JS is late; otherwise 0. */
  std::chrono::milliseconds Lateness() const;
  /** Gives the memory back after the answers of an Ask that returned true have been read. */
  void Release();

  // --- the JS thread ---

  /**
   * Returns how many packets are to be decided. 0 means that there is nothing, or that the question is too
   * old to be worth an answer.
   */
  uint32_t Take();
  /** Says that the marks are written. Does nothing when they come too late. */
  void Answer();
  /** Returns how long JS had been late, once after each time that it came back; otherwise 0. */
  std::chrono::milliseconds TakeLateness();
  /** Whether there is an answer that the I/O thread has not released yet. */
  bool Answered() const;
  /**
   * Says that JS will not answer any more. An Ask under way returns false at once, and so does every later
   * one.
   */
  void Abandon();

 private:
  /** The steady clock is CLOCK_MONOTONIC, so setting the date neither shortens nor lengthens a deadline. */
  using Clock = std::chrono::steady_clock;

  enum State : uint32_t { kFree, kAsked, kTaken, kAnswered, kLate, kLateTaken };
  /** A bit beside the state. Once it is set, the state never changes again. */
  static constexpr uint32_t kAbandoned = 1u << 31;

  /** Changes the state from one to another. Returns false when it is not `from` any more. */
  bool Move(State from, State to);
  /** Makes the memory free again when JS comes back after the deadline. */
  void Recover(State from);

  std::function<void()> wake_;
  std::atomic<uint32_t> state_{kFree};
  // The count and the time are handed over with the state: each is written before the state that announces it
  // and read after it.
  uint32_t count_ = 0;
  Clock::time_point expired_at_;
  // Only the JS thread uses this.
  std::chrono::milliseconds lateness_{0};
};

}  // namespace wanmark
