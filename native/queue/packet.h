// One NFQNL_MSG_PACKET message -> Packet.
#pragma once

#include <cstddef>
#include <cstdint>

#include "queue/flow_key.h"

namespace wanmark {

struct Packet {
  /** In host order; what the verdict refers to. */
  uint32_t id = 0;
  /** The packet mark; the kernel leaves the attribute out when it is 0. */
  uint32_t old_mark = 0;
  uint32_t in_ifindex = 0;
  uint32_t out_ifindex = 0;
  /** Bytes on the wire; more than `copied` when the kernel cut the copy. */
  uint32_t length = 0;
  /** The copied bytes, inside the receive buffer: valid until the next receive. */
  const uint8_t* bytes = nullptr;
  uint32_t copied = 0;
  FlowKey flow;
};

/**
 * Reads a netlink message of `size` bytes that begins with its nlmsghdr at an address divisible by 4. Returns
 * false when it has no usable NFQA_PACKET_HDR, that is, nothing a verdict could refer to. Any other fault
 * only leaves fields at 0: a packet with an id must get its verdict, however odd it looks.
 */
bool ParsePacket(const uint8_t* message, size_t size, Packet& packet);

}  // namespace wanmark
