// Questions to netlink on a socket of their own: the links, addresses, routes and neighbours of this network
// namespace, and with NETLINK_NETFILTER its rules and sets. Only the framing of netlink is known here; what a
// message says is for whoever asked. The kernel answers inside send(2) and recvmsg(2), so the JS thread may
// ask. Functions return 0 or a positive errno.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <span>
#include <vector>

namespace wanmark {

/**
 * Everything of one kind: sends a dump request and puts the answer's messages, without NLMSG_DONE, one behind
 * the other into `messages`, each at a multiple of 4 bytes. A dump during which something changed may lack a
 * part (NLM_F_DUMP_INTR): it is taken again, and EAGAIN is the answer when that happened each time.
 *
 * @param type RTM_GETLINK, RTM_GETADDR, ...
 * @param body the header behind nlmsghdr (ifinfomsg, rtmsg, ...), with any attributes behind it. Kernels
 * since 4.20 filter by it (NETLINK_GET_STRICT_CHK) and refuse what they do not know; older ones send
 * everything
 */
int RouteDump(uint16_t type, std::span<const uint8_t> body, std::vector<uint8_t>& messages,
              int protocol = NETLINK_ROUTE);

/**
 * One request, whose only answer comes in `message`; it is empty where the kernel just agrees.
 *
 * @param flags NLM_F_*, beside NLM_F_REQUEST. Without NLM_F_ACK, `type` must be one that is always answered
 */
int RouteRequest(uint16_t type, uint16_t flags, std::span<const uint8_t> body, std::vector<uint8_t>& message,
                 int protocol = NETLINK_ROUTE);

}  // namespace wanmark
