// The counters of a conntrack counter: written by its thread, read by any.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/counter.h"

namespace wanmark {

struct CtStats {
  /** Dumps that were read to their end. */
  Counter dumps;
  /** Entries that they showed. */
  Counter entries;
  /** CPU time of this thread for them, most of it the kernel's, in microseconds. */
  Counter dump_us;
  /** The same for the events. */
  Counter event_us;
  Counter events;
  /** Times that the event buffer was full and events were lost. */
  Counter overruns;
  /** Ends that no event told, and connections that a dump was the first to show. */
  Counter missed;
  Counter found;
  /** Bytes of event buffer that the kernel granted. */
  std::atomic<uint32_t> receive_buffer{0};
  /** Calls of the kernel that failed. */
  Counter errors;
  /** Microseconds between the beginnings of the last two dumps. */
  std::atomic<uint64_t> interval_us{0};
};

}  // namespace wanmark
