// The I/O thread of one queue. It receives a batch, answers it from the cache, from a plan or by asking JS,
// and sends the verdicts. It knows neither Node nor any policy: what a mark means is known to whoever
// answers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/netlink_socket.h"
#include "base/receiver.h"
#include "queue/batch_memory.h"
#include "queue/decision_cache.h"
#include "queue/gathering.h"
#include "queue/handoff.h"
#include "queue/misses.h"
#include "queue/nfq_config.h"
#include "queue/plans.h"
#include "queue/sampling.h"
#include "queue/stats.h"
#include "queue/told.h"
#include "queue/verdicts.h"

namespace wanmark {

struct LoopOptions {
  QueueConfig queue;
  /** The field of the packet mark that is ours. All other bits survive. */
  uint32_t mask = 0xff;
  /**
   * The lowest value of the field that says how a packet is to be decided, and not that it is; 0: none does.
   */
  uint32_t undecided_from = 0;
  std::chrono::milliseconds deadline{50};
  uint32_t cache_ms = 3000;
  /** The verdict for packets that got a mark: NF_REPEAT or NF_ACCEPT. */
  uint32_t verdict = 0;
  /**
   * The text written to standard error each time that JS is late for a second, since JS cannot say so itself
   * then.
   */
  std::string late_notice;
  /** The time in milliseconds, of a clock that never goes back, for the age of decisions. */
  std::function<uint64_t()> now_ms;
};

/** Bits for what the owner should hear of, besides the counters. */
enum Trouble : uint32_t {
  /**
   * The kernel refuses our verdicts. Either the privilege is gone, or the queue belongs to another socket.
   */
  kTroublePermission = 1,
  /** The queue does not exist any more. */
  kTroubleGone = 2,
  /** recvmmsg or sendmsg fails in a way that has no other name here; last_errno says how. */
  kTroubleSocket = 4,
};

class QueueLoop {
 public:
  /**
   * `memory`, `told_memory`, `plans` and `stats` must outlive the loop. `wake` is called on the I/O thread:
   * for a question, for what there is to tell, for trouble, and at the end.
   */
  QueueLoop(const LoopOptions& options, NetlinkSocket socket, BatchMemory& memory, ToldMemory& told_memory,
            Plans& plans, Stats& stats, std::function<void()> wake);
  ~QueueLoop();
  QueueLoop(const QueueLoop&) = delete;
  QueueLoop& operator=(const QueueLoop&) = delete;

  // --- the I/O thread ---

  /**
   * Runs the loop. Returns after RequestClose, when every packet has got its verdict and the socket is
   * closed.
   */
  void Run();

  // --- any thread ---

  void RequestClose();
  /**
   * Makes the I/O thread set what TakePong reads, and wake JS, when it comes by. This shows that the thread
   * lives.
   */
  void Ping();
  bool finished() const { return finished_.load(std::memory_order_acquire); }

  /** Replaces LoopOptions::undecided_from for the packets that are read from now on. */
  void SetUndecidedFrom(uint32_t value) { undecided_from_.store(value, std::memory_order_relaxed); }

  // --- the JS thread ---

  Handoff& handoff() { return handoff_; }
  /**
   * What the plans decided, and the flows that were left to the kernel because JS was late, in the order of
   * the verdicts. A flow whose question JS has taken, and answered too late, is among them.
   */
  Told& told() { return told_; }
  /** Returns when all that was decided until now is noted in told(). It waits for a batch that is under way.
   */
  void NoteAll() { std::lock_guard lock(cache_mutex_); }
  /**
   * Forgets decisions (see DecisionCache), and withdraws answers that are not sent yet. What was sent is with
   * the kernel when this returns, so a connection that is deleted from conntrack afterwards does not come
   * back with the mark. Returns how many decisions were forgotten.
   */
  size_t Forget(uint32_t mark, uint32_t mask);
  /** Whether a sequence of the plans has become short since the last call. */
  bool TakeShort() { return short_.exchange(false); }
  /** Whether a Ping has been answered since the last call. */
  bool TakePong() { return pong_.exchange(false); }
  /** Takes the Trouble bits that were set since the last call. Each is set at most once in a queue's life. */
  uint32_t TakeTrouble() { return trouble_.exchange(0); }
  int last_errno() const { return last_errno_; }

 private:
  /** What is known of packet `i` of the batch: its mark, or the miss that it waits for. */
  struct Slot {
    enum { kMarked, kFound, kLooping, kPlanned, kMissed } kind;
    uint32_t mark;
    uint32_t miss;
    // Whether JS hears of each such choice.
    bool tell;
  };

  void HandleDatagram(std::span<const uint8_t> datagram);
  void CountError(int error);
  /** Gives each of packets_[0..packet_count_) a verdict. */
  void Settle();
  /** Answers what is remembered, so that it does not wait for the misses. */
  void SettleKnown(uint64_t now_ms);
  void SettleMisses(uint64_t received_ms);
  Slot FindDecision(const Packet& packet, Plans::Reader& plans, uint64_t now_ms);
  /** Notes what plans decided of this batch, as far as JS is to hear of it. Called after the verdicts are
   * sent, since no packet waits for it. */
  void NotePlanned(uint64_t now_ms);
  bool IsMarked(const Packet& packet) const;
  /** Returns whether JS answered in time. */
  bool AskForMisses(uint64_t received_ms);
  void NoteLate(uint64_t received_ms);
  void ReadAnswers(uint64_t now_ms);
  bool IsDropped(const Packet& packet, uint32_t mark) const;
  /** Sends the verdicts of the misses, or of the others. */
  void SendVerdicts(bool missed);
  void ReportTrouble(Trouble trouble, int error);
  void SayLate();
  void AnswerPing();
  /** Returns whether it has let packets gather. */
  bool Gather(uint32_t received);
  void TellWithin(uint64_t now_ms, uint32_t within_ms);
  /** Wakes JS when it is time to tell it something. Returns in how many ms that will be; -1 when there is
   * nothing. */
  int Tell();
  void WaitForWork(bool socket_failed, int timeout_ms);

  static constexpr uint64_t kNever = UINT64_MAX;

  const LoopOptions options_;
  const SipKey hash_key_;
  NetlinkSocket socket_;
  // This is an eventfd that ends the poll.
  int wake_fd_;
  BatchMemory& memory_;
  Stats& stats_;
  std::function<void()> wake_js_;
  Handoff handoff_;
  Told told_;
  Plans& plans_;
  Sampling sampling_;
  // When JS is to be woken up for what was noted since it last was, and how much there was then.
  uint64_t tell_at_ms_ = kNever;
  uint32_t told_count_ = 0;

  // This is held from the look into the cache, or into the answers, until the verdicts are sent, because
  // Forget runs on the JS thread.
  std::mutex cache_mutex_;
  DecisionCache cache_;

  Gathering gathering_;
  Receiver receiver_;
  Verdicts verdicts_;
  Packet packets_[BatchMemory::kCapacity];
  Slot slots_[BatchMemory::kCapacity];
  uint32_t packet_count_ = 0;
  // How many decisions there is room for in what is told.
  uint32_t tellable_ = 0;
  Misses misses_;
  // The answer to each miss. A miss without one has kKernelDecides.
  uint32_t answers_[BatchMemory::kCapacity];

  std::atomic<uint32_t> undecided_from_;
  std::atomic<bool> close_requested_{false};
  std::atomic<bool> finished_{false};
  std::atomic<bool> ping_{false};
  std::atomic<bool> pong_{false};
  std::atomic<bool> short_{false};
  bool said_late_ = false;
  std::atomic<uint32_t> trouble_{0};
  std::atomic<int> last_errno_{0};
  uint32_t reported_trouble_ = 0;
};

}  // namespace wanmark
