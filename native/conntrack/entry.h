// What one ctnetlink message says of a connection. It is enough to count the connection, to find it again and
// to show it.
#pragma once

#include <cstdint>
#include <span>

#include "base/siphash.h"
#include "conntrack/networks.h"

namespace wanmark {

/** TCP states are those of linux/netfilter/nf_conntrack_tcp.h. The one for "not told" is ours. */
constexpr uint8_t kTcpStateUntold = 0xff;

struct CtEntry {
  /**
   * 48 bits that tell this connection from any other. They are a keyed hash of the original tuple and of the
   * kernel's id, which differs for equal tuples in two zones and for one tuple at two times.
   */
  uint64_t key = 0;
  uint32_t mark = 0;
  /** The status, as IPS_* bits. */
  uint32_t status = 0;
  /** Seconds until the connection expires; 0 when the message does not say. */
  uint32_t timeout = 0;
  /** AF_INET or AF_INET6. */
  uint8_t family = 0;
  uint8_t proto = 0;
  /**
   * The addresses and ports of the direction in which the connection began. With ICMP `sport` is the
   * identifier, and `dport` the type and the code.
   */
  IpAddress src;
  IpAddress dst;
  uint16_t sport = 0;
  uint16_t dport = 0;
  /**
   * The TCP state. It is kTcpStateUntold for other protocols, and in updates that left the state as it was.
   */
  uint8_t tcp_state = kTcpStateUntold;
  /** IP_CT_TCP_FLAG_* of both directions. DESTROY messages do not have them. */
  uint8_t tcp_flags = 0;

  /**
   * Whether this is a duplicate that lost a clash and lives for a second under the winner's name. It is not a
   * connection of its own.
   */
  bool is_clash() const;
  bool is_tcp() const;
  /** Whether the connection uses its WAN now (see CtTally::Counts). */
  bool is_live() const;
  bool is_established() const;
  /** Whether a reset has closed the connection before anybody sent a FIN. Until then it was live. */
  bool is_reset() const;
};

/** Reads a message that begins with its nlmsghdr. Returns false when it has no tuple, as a truncated one. */
bool ParseCtEntry(std::span<const uint8_t> message, const SipKey& key, CtEntry& entry);

}  // namespace wanmark
