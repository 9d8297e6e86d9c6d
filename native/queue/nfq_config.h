// Opens and closes a netfilter queue, by the NFQNL_MSG_CONFIG messages of nfnetlink_queue.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/netlink_socket.h"

namespace wanmark {

struct QueueConfig {
  uint16_t num = 0;
  /** The number of packets that the kernel holds for us (NFQA_CFG_QUEUE_MAXLEN). */
  uint32_t max_length = 1024;
  /** The number of bytes that are copied to us of each packet. */
  uint32_t copy_range = 128;
  /**
   * Whether the kernel accepts a packet itself when the queue or the socket is full, instead of dropping it.
   */
  bool fail_open = true;
  uint32_t receive_buffer = 1 << 20;
};

/** The room that each of the messages below needs. */
constexpr size_t kConfigBytes = 128;

/**
 * Builds BIND, PARAMS, MAXLEN and FLAGS as one message. With two messages there would be a moment with
 * COPY_NONE, in which the kernel drops packets even under --queue-bypass.
 */
nlmsghdr* BuildBind(void* buffer, const QueueConfig& config);
/**
 * Builds a MAXLEN of 0. Under FAIL_OPEN the kernel then accepts newcomers itself, so the queue runs empty.
 */
nlmsghdr* BuildStopQueueing(void* buffer, uint16_t num);
/** Builds PF_BIND, which does nothing since Linux 3.8 but needs the same privilege as everything else. */
nlmsghdr* BuildProbe(void* buffer);

/** The step of OpenQueue that failed. */
enum class OpenStep {
  kNone,
  kSocket,
  /** This process may not configure any queue. */
  kPrivilege,
  /** This process may configure queues, but not this one. EPERM means that it belongs to another socket. */
  kBind,
};

struct OpenResult {
  OpenStep failed = OpenStep::kNone;
  int error = 0;
  /** The size in bytes of the receive buffer that the kernel granted. */
  uint32_t receive_buffer = 0;
};

OpenResult OpenQueue(NetlinkSocket& socket, const QueueConfig& config);

}  // namespace wanmark
