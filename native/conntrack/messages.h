// The messages that ask ctnetlink for a dump, for the end of all connections of a mark, or for one
// connection; and the filter for the events that we want to hear.
#pragma once

#include <linux/filter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wanmark {

/** The room that each of the messages below needs. */
constexpr size_t kCtMessageBytes = 256;

/**
 * The tuple of the direction in which a connection began. Addresses are in network order, IPv4 in the first 4
 * bytes. Ports are in host order, and unused for ICMP.
 */
struct CtTuple {
  /** AF_INET or AF_INET6. */
  uint8_t family = 0;
  uint8_t proto = 0;
  uint8_t src[16] = {};
  uint8_t dst[16] = {};
  uint16_t sport = 0;
  uint16_t dport = 0;
};

/**
 * Asks for the entries that have `mark` under `mask` (ctnetlink_filter_match), or for all with mask 0.
 * AF_UNSPEC means both families.
 */
nlmsghdr* BuildCtDump(void* buffer, uint32_t mark, uint32_t mask, uint8_t family = AF_UNSPEC);
/**
 * Ends every connection that has `mark` under `mask`, of one family or both, in one message. Returns null for
 * mask 0, which would be every connection of the machine.
 */
nlmsghdr* BuildCtFlush(void* buffer, uint32_t mark, uint32_t mask, uint8_t family = AF_UNSPEC);
/**
 * Ends the one connection that a message of a dump told of. Returns null when it does not say which, or is
 * too long.
 */
nlmsghdr* BuildCtDelete(void* buffer, const nlmsghdr* told);
nlmsghdr* BuildCtGet(void* buffer, const CtTuple& tuple);

/**
 * Builds a socket filter, which the kernel runs for each event before it queues the event or wakes us up. Of
 * the entries with a mark in the field it passes every DESTROY, and of the UPDATEs those of TCP that begin or
 * end what is counted, and all of other protocols.
 *
 * SYN_RECV begins, or with `established` ESTABLISHED. FIN_WAIT ends, or TIME_WAIT where that was missed, or
 * CLOSE after a reset.
 */
std::vector<sock_filter> BuildCtEventFilter(uint32_t mask, bool established);
/** Builds a filter that passes every event of an entry with a mark in the field. */
std::vector<sock_filter> BuildCtMarkFilter(uint32_t mask);

}  // namespace wanmark
