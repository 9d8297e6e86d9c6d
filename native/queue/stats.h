// The counters of a queue: each is written by one thread and read by any.
#pragma once

#include "base/counter.h"

namespace wanmark {

/**
 * The counters add up: packets = decisions + cache_hits + kernel_decided + marked + dropped_errors + dropped,
 * and these are the verdicts, unless sending fails.
 */
struct Stats {
  Counter packets;
  Counter verdicts;
  /** The number of datagrams that carried verdicts. */
  Counter batches;
  /** Packets that decide() or a plan gave a mark. */
  Counter decisions;
  /** Those of the decisions that a plan gave. */
  Counter planned;
  /** Packets that got the mark of an earlier packet of their flow. */
  Counter cache_hits;
  /** Packets that were left to the kernel, for whatever reason. */
  Counter kernel_decided;
  /** Packets that came with a mark in our field, by somebody else's choice, and go on as they are. */
  Counter marked;
  /** ICMP errors that were dropped, as decide() said. */
  Counter dropped_errors;
  /** Other packets that were dropped, as decide() said. */
  Counter dropped;
  /** The cache hits that were accepted instead of repeated, because the rules seem to loop. */
  Counter loops;
  /** Calls of decide() that had not answered by the deadline. */
  Counter late;
  /** Flows that were left to the kernel because JS was late. */
  Counter late_flows;
  /** Answers that had bits outside the mask. */
  Counter invalid;
  /** Calls of decide() that threw. This one is written by the JS thread. */
  Counter callback_errors;
  /** Messages without a packet id, to which no verdict could refer. */
  Counter malformed;
  Counter enobufs;
  /** Verdicts for packets that had left the queue (device down, a table removed). */
  Counter enoent;
  Counter eperm;
  Counter enodev;
  Counter other_errors;
};

}  // namespace wanmark
