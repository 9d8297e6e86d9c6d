// The key of a flow: its 5-tuple, as the parser fills it in and as the recent-decision cache compares it.
#pragma once

#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/siphash.h"

namespace wanmark {

/** Bits of FlowKey::flags and of the JS array `flags` (src/core/batch.ts). */
constexpr uint8_t kFlagFragment = 1;
constexpr uint8_t kFlagTruncated = 2;

struct FlowKey {
  /** Addresses are in network order; IPv4 uses the first 4 bytes. */
  uint8_t src[16] = {};
  uint8_t dst[16] = {};
  /** Ports are in host order. For ICMP queries this one is the identifier. */
  uint16_t sport = 0;
  /** In host order. For ICMP this is type << 8 | code. */
  uint16_t dport = 0;
  uint8_t proto = 0;
  /** The address family is 4 or 6, or 0 for a packet that is neither. */
  uint8_t family = 0;
  uint8_t flags = 0;
  uint8_t unused = 0;

  bool operator==(const FlowKey& other) const { return std::memcmp(this, &other, sizeof(*this)) == 0; }

  /**
   * Returns whether this is an ICMP or ICMPv6 message about a packet of another flow. Its ports say nothing
   * of that flow: all errors of one kind from one router to one client have the same key.
   */
  bool is_icmp_error() const {
    if (flags != 0) return false;
    const uint8_t type = dport >> 8;
    // RFC 4443: the types below 128 are errors.
    if (family == 6) return proto == IPPROTO_ICMPV6 && type < 128;
    return family == 4 && proto == IPPROTO_ICMP &&
           (type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
            type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB);
  }

  /**
   * Returns false when the headers do not tell one flow from another. Each such packet is decided on its own.
   */
  bool identifies_flow() const { return family != 0 && !(flags & kFlagTruncated) && !is_icmp_error(); }

  uint64_t Hash(const SipKey& key) const { return SipHash24(key, this, sizeof(*this)); }
};

// Keys are compared and hashed as bytes, so there must be no padding.
static_assert(std::has_unique_object_representations_v<FlowKey> && sizeof(FlowKey) == 40);

}  // namespace wanmark
