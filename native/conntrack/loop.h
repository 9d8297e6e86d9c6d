// The thread that keeps the counts: it dumps as often as the pace allows, and reads events in between and
// during. No napi.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
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
  /** As far as overruns make it grow; what it is to begin with is kept in any case. */
  uint32_t most_receive_buffer = 32 << 20;
  uint64_t least_interval_us = 250'000;
  /** Listen to UPDATE too. Without it the end of a TCP connection is known from dumps only. */
  bool updates = true;
};

/** The step of OpenCt that failed. */
enum class CtStep {
  kNone,
  kSocket,
  /** Not allowed to ask. */
  kPrivilege,
  /** The kernel does not know what we ask for. */
  kSupport,
  kEvents,
};

struct CtSockets {
  CtStep failed = CtStep::kNone;
  int error = 0;
  /** Bytes of event buffer that the kernel granted. */
  uint32_t receive_buffer = 0;
  NetlinkSocket dump;
  NetlinkSocket events;
};

/** Opens both sockets and tries a question; events gather from here on. */
CtSockets OpenCt(const CtOptions& options);

class CtLoop {
 public:
  /** `memory` and `stats` outlive the loop. `wake` is called on the thread: when ready, on trouble, at the
   * end. */
  CtLoop(const CtOptions& options, CtSockets sockets, CountMemory& memory, CtStats& stats,
         std::function<void()> wake);
  ~CtLoop();
  CtLoop(const CtLoop&) = delete;
  CtLoop& operator=(const CtLoop&) = delete;

  // --- the thread ---

  /** Returns after RequestClose. */
  void Run();

  // --- any thread ---

  void RequestClose();
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  /** The first dump is through: the counts are those of the table. */
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  /** The errno of the first call of the kernel that failed, once; otherwise 0. */
  int TakeTrouble() { return trouble_.exchange(0); }

 private:
  struct Pass {
    uint32_t mark;
    uint32_t mask;
  };

  bool Closing() const { return close_requested_.load(std::memory_order_acquire); }
  /** Without events and dumps nothing happens until the next step, which is at most a tick away. */
  void Rest();
  void Observe(uint64_t now);
  /** More of what goes along with ends that no event tells. */
  void Expose(uint64_t more);
  void Step(uint64_t now);
  void StartDump(uint64_t now);
  void ChoosePasses();
  void SendPass();
  void ReadDump();
  void ReadDumped(size_t size);
  void EndPass();
  void EndDump();
  void FailDump(int error);
  void ReadEvents();
  void ReadEvent(std::span<const uint8_t> datagram);
  /** After an overrun: twice the buffer, so that the same burst fits next time. */
  void GrowBuffer();
  /** Leaves the UPDATE group while there is more than it is good for, and comes back later. */
  void LimitUpdates(uint64_t now);
  void ReportTrouble(int error);

  const CtOptions options_;
  const SipKey hash_key_;
  uint32_t granted_buffer_;
  NetlinkSocket dump_socket_;
  NetlinkSocket event_socket_;
  // An eventfd that ends the poll.
  int wake_fd_;
  CtStats& stats_;
  std::function<void()> wake_js_;

  CtTally tally_;
  CtPace pace_;
  Receiver receiver_;
  std::vector<uint8_t> dump_buffer_;

  // --- the dump that runs, or is prepared ---
  bool dumping_ = false;
  // When the decisions were cut; 0: no dump is prepared.
  uint64_t cut_at_ = 0;
  uint64_t started_at_ = 0;
  // When the kernel filled the datagram that is read next: the expiry in it counts from then.
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
  // Ends told together with an overrun, and decisions while UPDATE was not listened to.
  uint64_t exposure_ = 0;
  bool listens_to_updates_ = false;
  uint64_t second_at_ = 0;
  uint64_t events_at_second_ = 0;

  std::atomic<bool> close_requested_{false};
  std::atomic<bool> finished_{false};
  std::atomic<bool> ready_{false};
  std::atomic<int> trouble_{0};
  bool reported_trouble_ = false;
};

}  // namespace wanmark
