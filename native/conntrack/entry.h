// What one ctnetlink message says of a connection: enough to count it, to find it again and to show it.
#pragma once

#include <cstdint>
#include <span>

#include "base/siphash.h"

namespace wanmark {

/** States as in linux/netfilter/nf_conntrack_tcp.h; the one for "not told" is not the kernel's. */
constexpr uint8_t kTcpStateUntold = 0xff;

struct CtEntry {
  /**
   * 48 bits that tell this connection from any other: a keyed hash of the original tuple and the kernel's id,
   * which differs for equal tuples in two zones and for one tuple at two times.
   */
  uint64_t key = 0;
  uint32_t mark = 0;
  /** IPS_* bits. */
  uint32_t status = 0;
  /** Seconds until it expires; 0 when the message does not say. */
  uint32_t timeout = 0;
  uint8_t proto = 0;
  /** kTcpStateUntold for other protocols, and for updates that left the state as it was. */
  uint8_t tcp_state = kTcpStateUntold;
  /** IP_CT_TCP_FLAG_* of both directions; DESTROY messages do not have them. */
  uint8_t tcp_flags = 0;

  /** A duplicate that lost a clash and lives for a second under the winner's name: no connection of its own.
   */
  bool is_clash() const;
  bool is_tcp() const;
  /** Whether the connection uses its WAN now: see Counting. */
  bool is_live() const;
  bool is_established() const;
  /** Closed by a reset before anybody sent a FIN: until now it was live. */
  bool is_reset() const;
};

/** False for a message without a tuple, as a truncated one. `message` begins with its nlmsghdr. */
bool ParseCtEntry(std::span<const uint8_t> message, const SipKey& key, CtEntry& entry);

}  // namespace wanmark
