// The counters of a queue: each is written by one thread and read by any.
#pragma once

#include "base/counter.h"

namespace wanmark {

/** packets = decisions + cache_hits + kernel_decided + marked, and = verdicts unless sending failed. */
struct Stats {
  Counter packets;
  Counter verdicts;
  /** Datagrams of verdicts. */
  Counter batches;
  /** Packets that decide() gave a mark. */
  Counter decisions;
  /** Packets that got the mark of an earlier packet of their flow. */
  Counter cache_hits;
  /** Packets left to the kernel, for whatever reason. */
  Counter kernel_decided;
  /** Packets that came with a mark in our field: somebody has chosen, they go on as they are. */
  Counter marked;
  /** Of the cache hits, those that were accepted instead of repeated, because the rules seem to loop. */
  Counter loops;
  /** Calls of decide() that had not answered by the deadline. */
  Counter late;
  /** Flows that were left to the kernel because JS was late. */
  Counter late_flows;
  /** Answers with bits outside the mask. */
  Counter invalid;
  /** Calls of decide() that threw. Written by the JS thread. */
  Counter callback_errors;
  /** Messages without a packet id: nothing that a verdict could refer to. */
  Counter malformed;
  Counter enobufs;
  /** Verdicts for packets that had left the queue (device down, a table removed). */
  Counter enoent;
  Counter eperm;
  Counter enodev;
  Counter other_errors;
};

}  // namespace wanmark
