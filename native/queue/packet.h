// Makes a Packet of one NFQNL_MSG_PACKET message.
#pragma once

#include <cstddef>
#include <cstdint>

#include "queue/flow_key.h"

namespace wanmark {

struct Packet {
  /** The packet's id, in host order, to which the verdict refers. */
  uint32_t id = 0;
  /** The packet mark. The kernel leaves the attribute out when the mark is 0. */
  uint32_t old_mark = 0;
  uint32_t in_ifindex = 0;
  uint32_t out_ifindex = 0;
  /** The packet's bytes on the wire. These are more than `copied` when the kernel cut the copy. */
  uint32_t length = 0;
  /** The copied bytes. They are inside the receive buffer, so they are valid until the next receive. */
  const uint8_t* bytes = nullptr;
  uint32_t copied = 0;
  /** The Ethernet address of the sender, a number of 48 bits; 0 where the packet came without one. */
  uint64_t mac = 0;
  FlowKey flow;
};

/**
 * Reads a netlink message of `size` bytes that begins with its nlmsghdr at an address divisible by 4. Returns
 * false when it has no usable NFQA_PACKET_HDR, since a verdict could refer to nothing then. Any other fault
 * only leaves fields at 0, because a packet with an id must get its verdict, however odd it looks.
 */
bool ParsePacket(const uint8_t* message, size_t size, Packet& packet);

}  // namespace wanmark
