// The thread that keeps the counts. It dumps as often as the pace allows, and reads events between dumps and
// during them. It does not know Node.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/netlink_socket.h"
#include "base/receiver.h"
#include "conntrack/pace.h"
#include "conntrack/stats.h"
#include "conntrack/tally.h"

namespace wanmark {

struct CtOptions {
  CountField field;
  uint32_t receive_buffer = 8 << 20;
  /** The size up to which overruns make the buffer grow. A larger initial size is kept. */
  uint32_t most_receive_buffer = 32 << 20;
  uint64_t least_interval_us = 250'000;
  /**
   * Whether to listen to UPDATE as well. Without it, the end of a TCP connection is known from dumps only.
   */
  bool updates = true;
};

/** The step of OpenCt that failed. */
enum class CtStep {
  kNone,
  kSocket,
  /** This process may not ask ctnetlink. */
  kPrivilege,
  /** The kernel does not know what we ask for. */
  kSupport,
  kEvents,
};

struct CtSockets {
  CtStep failed = CtStep::kNone;
  int error = 0;
  /** The size in bytes of the event buffer that the kernel granted. */
  uint32_t receive_buffer = 0;
  NetlinkSocket dump;
  NetlinkSocket events;
};

/** Opens both sockets and tries a question. Events gather from here on. */
CtSockets OpenCt(const CtOptions& options);

class CtLoop {
 public:
  /**
   * `memory` and `stats` must outlive the loop. `wake` is called on the loop's thread: when it is ready, on
   * trouble, and at the end.
   */
  CtLoop(const CtOptions& options, CtSockets sockets, CountMemory& memory, CtStats& stats,
         std::function<void()> wake);
  ~CtLoop();
  CtLoop(const CtLoop&) = delete;
  CtLoop& operator=(const CtLoop&) = delete;

  // --- the thread ---

  /** Runs the loop. Returns after RequestClose. */
  void Run();

  // --- any thread ---

  void RequestClose();
  /** Sets what is left out of the counts, from the next dump on, which then comes soon. */
  void Exclude(std::shared_ptr<const CtExclusion> exclusion);
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  /** Whether the first dump has ended, so that the counts are those of the table. */
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  /** Returns the errno of the first system call that failed, once; otherwise 0. */
  int TakeTrouble() { return trouble_.exchange(0); }

 private:
  struct Pass {
    uint32_t mark;
    uint32_t mask;
  };

  bool Closing() const { return close_requested_.load(std::memory_order_acquire); }
  /** Waits for the next event, or for the next step, which is at most a tick away. */
  void Rest();
  void Observe(uint64_t now);
  /** Adds to the exposure (see CtTally::Expose). */
  void Expose(uint64_t more);
  void Step(uint64_t now);
  void StartDump(uint64_t now);
  void TakeExclusion();
  void ChoosePasses();
  void SendPass();
  void ReadDump();
  void ReadDumped(size_t size);
  void EndPass();
  void EndDump();
  void FailDump(int error);
  void ReadEvents();
  void ReadEvent(std::span<const uint8_t> datagram);
  /** Doubles the buffer after an overrun, so that the same burst fits next time. */
  void GrowBuffer();
  /** Leaves the UPDATE group while it brings more events than it is worth, and comes back later. */
  void LimitUpdates(uint64_t now);
  void ReportTrouble(int error);

  const CtOptions options_;
  const SipKey hash_key_;
  uint32_t granted_buffer_;
  NetlinkSocket dump_socket_;
  NetlinkSocket event_socket_;
  // This is an eventfd that ends the poll.
  int wake_fd_;
  CtStats& stats_;
  std::function<void()> wake_js_;

  CtTally tally_;
  CtPace pace_;
  Receiver receiver_;
  std::vector<uint8_t> dump_buffer_;

  // --- the dump that runs, or is prepared ---
  bool dumping_ = false;
  // The time at which the decisions were cut; 0 means that no dump is prepared.
  uint64_t cut_at_ = 0;
  uint64_t started_at_ = 0;
  // The time at which the kernel filled the datagram that is read next. The expiry in it counts from then.
  uint64_t filled_at_ = 0;
  uint64_t cost_us_ = 0;
  uint64_t last_cost_us_ = 0;
  std::vector<Pass> passes_;
  size_t pass_ = 0;
  uint64_t shown_ = 0;
  uint64_t shown_ours_ = 0;

  // --- what happened since ---
  bool filtered_ = false;
  uint32_t dumps_until_unfiltered_ = 0;
  bool had_events_ = false;
  uint64_t events_at_dump_ = 0;
  uint64_t changes_at_dump_ = 0;
  uint64_t decisions_at_dump_ = 0;
  uint64_t observed_at_ = 0;
  uint64_t decisions_ = 0;
  uint64_t decided_at_ = 0;
  uint64_t overrun_at_ = 0;
  // The exposure so far: ends that were told together with an overrun, and decisions made while UPDATE was
  // not listened to.
  uint64_t exposure_ = 0;
  bool listens_to_updates_ = false;
  uint64_t second_at_ = 0;
  uint64_t events_at_second_ = 0;

  std::mutex exclusion_mutex_;
  // The exclusion that the next dump takes over; guarded by the mutex.
  std::shared_ptr<const CtExclusion> next_exclusion_;
  // Whether there is one.
  std::atomic<bool> exclusion_waits_{false};

  std::atomic<bool> close_requested_{false};
  std::atomic<bool> finished_{false};
  std::atomic<bool> ready_{false};
  std::atomic<int> trouble_{0};
  bool reported_trouble_ = false;
};

}  // namespace wanmark
