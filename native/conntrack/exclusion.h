// Which entries are left out of the counts although they have a number in their mark.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>

#include "conntrack/entry.h"
#include "conntrack/networks.h"

namespace wanmark {

struct CtExclusion {
  /** Entries that begin towards these are left out. */
  Networks to;
  /** Entries that begin at these are left out when they are ICMP, or come from a port in use by a probe. */
  Networks self;
  static constexpr size_t kPortBytes = 2 << 16;

  /**
   * How many probes use each port: 65536 bytes for TCP, and 65536 for UDP. They are written by JS meanwhile.
   * Null when there are no probes.
   */
  const uint8_t* probe_ports = nullptr;

  bool Excludes(const CtEntry& entry) const {
    if (to.Contain(entry.family, entry.dst)) return true;
    return MayProbe(entry) && self.Contain(entry.family, entry.src);
  }

 private:
  bool MayProbe(const CtEntry& entry) const {
    switch (entry.proto) {
      case IPPROTO_ICMP:
      case IPPROTO_ICMPV6:
        return true;
      case IPPROTO_TCP:
        return IsInUse(entry.sport);
      case IPPROTO_UDP:
        return IsInUse(kPortBytes / 2 + entry.sport);
      default:
        return false;
    }
  }

  bool IsInUse(size_t port) const {
    // JS writes bytes, so this never sees half of a change. The memory is const for us, which std::atomic_ref
    // does not take.
    return probe_ports && __atomic_load_n(probe_ports + port, __ATOMIC_RELAXED) != 0;
  }
};

}  // namespace wanmark
