// What we ask ctnetlink for: a dump, the end of all connections of a mark, one connection; and which of its
// events we want to hear.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wanmark {

/** Room for each of the messages below; all of it is written. */
constexpr size_t kCtMessageBytes = 256;

/** The direction a connection began in. Addresses in network order, IPv4 in the first 4 bytes; ports in host
 * order, for ICMP unused. */
struct CtTuple {
  /** AF_INET or AF_INET6. */
  uint8_t family = 0;
  uint8_t proto = 0;
  uint8_t src[16] = {};
  uint8_t dst[16] = {};
  uint16_t sport = 0;
  uint16_t dport = 0;
};

/** With a mask only what has `mark` under it (ctnetlink_filter_match), 0: everything. AF_UNSPEC: both
 * families. */
nlmsghdr* BuildCtDump(void* buffer, uint32_t mark, uint32_t mask, uint8_t family = AF_UNSPEC);
/**
 * Ends every connection that has `mark` under `mask`, of one family or both, in one message. Null for mask 0,
 * which would be every connection of the machine.
 */
nlmsghdr* BuildCtFlush(void* buffer, uint32_t mark, uint32_t mask, uint8_t family = AF_UNSPEC);
/** Ends the one connection that a message of a dump told of; null when it does not say which, or it is too
 * long. */
nlmsghdr* BuildCtDelete(void* buffer, const nlmsghdr* told);
nlmsghdr* BuildCtGet(void* buffer, const CtTuple& tuple);

/**
 * A socket filter (the kernel runs it for each event before it queues it or wakes us) that passes, of entries
 * with a mark in the field: every DESTROY; of UPDATEs of TCP those that begin or end what is counted; of
 * other protocols all.
 *
 * Begin: SYN_RECV, or with `established` ESTABLISHED. End: FIN_WAIT, or CLOSE after a reset.
 */
std::vector<sock_filter> BuildCtEventFilter(uint32_t mask, bool established);

}  // namespace wanmark
