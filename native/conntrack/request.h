// Single questions to ctnetlink, each on a socket of its own. They block while the kernel works, so they are
// not for the JS thread.
#pragma once

#include <optional>
#include <vector>

#include "conntrack/entry.h"
#include "conntrack/messages.h"

namespace wanmark {

/** Selects connections of a mark. */
struct CtSelection {
  uint32_t mark = 0;
  /** The mask must not be 0. */
  uint32_t mask = 0;
  /** AF_UNSPEC selects both families. */
  uint8_t family = AF_UNSPEC;
  /**
   * With `proto`, connections of that protocol are selected; with `unanswered`, those that had no answer;
   * with both, either; with neither, all.
   */
  uint8_t proto = 0;
  bool unanswered = false;
  /** Only connections whose IPS_* bits under `status_mask` are these. */
  uint32_t status = 0;
  uint32_t status_mask = 0;
  /** The most connections that are ended; 0 means all of them. */
  uint32_t most = 0;

  bool is_whole() const { return proto == 0 && !unanswered && status_mask == 0 && most == 0; }
  bool Takes(const CtEntry& entry) const;
};

/** How many connections were selected, and for how many of them the end was asked for. */
struct CtFlushed {
  uint32_t found = 0;
  uint32_t ended = 0;
};

/**
 * Ends the selected connections. A whole selection takes one message, and then their number is not known.
 * Otherwise they are ended one by one, because a flush knows no protocol. Returns 0 or errno; EINVAL for mask
 * 0.
 */
int FlushCt(const CtSelection& selection, CtFlushed& flushed);

/**
 * Adds an entry for each tuple, which is empty when there is no such connection. Returns 0 or errno; with an
 * errno, not all entries are there.
 */
int LookUpCt(const std::vector<CtTuple>& tuples, std::vector<std::optional<CtEntry>>& entries);

/** One connection, and the mark that it must have under a mask. */
struct CtQuestion {
  CtTuple tuple;
  uint32_t mark = 0;
};

/**
 * Ends each of these connections that has its mark and no answer yet (IPS_SEEN_REPLY is clear), and adds for
 * each whether it was ended. The kernel's id goes with the end, so a successor with the same tuple survives.
 * No lock is held between look and end: an answer within these microseconds does not save a connection.
 * Returns 0 or errno; with an errno, not all answers are there.
 */
int ForgetUnansweredCt(const std::vector<CtQuestion>& questions, uint32_t mask, std::vector<bool>& ended);

}  // namespace wanmark
