// The counters of a conntrack counter: its thread writes them, and any thread reads them.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/counter.h"

namespace wanmark {

struct CtStats {
  /** The dumps that were read to their end. */
  Counter dumps;
  /** The entries that dumps showed. */
  Counter entries;
  /** The CPU time that this thread spent on dumps, in microseconds; most of it is the kernel's. */
  Counter dump_us;
  /** The CPU time that this thread spent on events, in microseconds. */
  Counter event_us;
  Counter events;
  /** How many times the event buffer was full, so that events were lost. */
  Counter overruns;
  /** `missed` counts ends that no event told, `found` connections that a dump was the first to show. */
  Counter missed;
  Counter found;
  /** The size in bytes of the event buffer that the kernel granted. */
  std::atomic<uint32_t> receive_buffer{0};
  /** System calls that failed. */
  Counter errors;
  /** The microseconds between the beginnings of the last two dumps. */
  std::atomic<uint64_t> interval_us{0};
};

}  // namespace wanmark
