// Opening and closing down a netfilter queue: the NFQNL_MSG_CONFIG messages of nfnetlink_queue.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/netlink_socket.h"

namespace wanmark {

struct QueueConfig {
  uint16_t num = 0;
  /** Packets that the kernel holds for us (NFQA_CFG_QUEUE_MAXLEN). */
  uint32_t max_length = 1024;
  /** Bytes of each packet that are copied to us. */
  uint32_t copy_range = 128;
  /** Full queue or full socket: the kernel accepts the packet itself instead of dropping it. */
  bool fail_open = true;
  uint32_t receive_buffer = 1 << 20;
};

/** Room for each of the messages below; all of it is written. */
constexpr size_t kConfigBytes = 128;

/**
 * BIND, PARAMS, MAXLEN and FLAGS in one message. In two there is a moment with COPY_NONE, in which the kernel
 * drops the packets even under --queue-bypass.
 */
nlmsghdr* BuildBind(void* buffer, const QueueConfig& config);
/** MAXLEN 0: under FAIL_OPEN the kernel from now on accepts newcomers itself, so that the queue runs empty.
 */
nlmsghdr* BuildStopQueueing(void* buffer, uint16_t num);
/** PF_BIND, which does nothing since Linux 3.8, but needs the same privilege as everything else. */
nlmsghdr* BuildProbe(void* buffer);

/** The step of OpenQueue that failed. */
enum class OpenStep {
  kNone,
  kSocket,
  /** Not allowed to configure any queue. */
  kPrivilege,
  /** Allowed, but not this queue: EPERM means that it belongs to another socket. */
  kBind,
};

struct OpenResult {
  OpenStep failed = OpenStep::kNone;
  int error = 0;
  /** Bytes of receive buffer the kernel granted. */
  uint32_t receive_buffer = 0;
};

OpenResult OpenQueue(NetlinkSocket& socket, const QueueConfig& config);

}  // namespace wanmark
