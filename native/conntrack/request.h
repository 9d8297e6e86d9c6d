// One question to ctnetlink on a socket of its own. Blocks while the kernel works, so it is not for the JS
// thread.
#pragma once

#include <optional>
#include <vector>

#include "conntrack/entry.h"
#include "conntrack/messages.h"

namespace wanmark {

/** Which connections of a mark. */
struct CtSelection {
  uint32_t mark = 0;
  /** Not 0. */
  uint32_t mask = 0;
  /** AF_UNSPEC: both. */
  uint8_t family = AF_UNSPEC;
  /** With one of the two only those that have the protocol or had no answer; with neither all. */
  uint8_t proto = 0;
  bool unanswered = false;
  /** Besides, only those with these of the IPS_* bits in `status_mask`. */
  uint32_t status = 0;
  uint32_t status_mask = 0;
  /** End no more than so many; 0: all of them. */
  uint32_t most = 0;

  bool is_whole() const { return proto == 0 && !unanswered && status_mask == 0 && most == 0; }
  bool Takes(const CtEntry& entry) const;
};

/** How many connections were selected, and of how many the end was asked for. */
struct CtFlushed {
  uint32_t found = 0;
  uint32_t ended = 0;
};

/** Ends them: all by one message, which tells no number, some one by one, for a flush knows no protocol. 0 or
 * errno; EINVAL for mask 0. */
int FlushCt(const CtSelection& selection, CtFlushed& flushed);

/** Adds what there is of each tuple; nothing: there is no such connection. 0 or errno, and then not all are
 * there. */
int LookUpCt(const std::vector<CtTuple>& tuples, std::vector<std::optional<CtEntry>>& entries);

}  // namespace wanmark
