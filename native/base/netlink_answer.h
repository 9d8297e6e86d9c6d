// The answers to questions on a netlink socket, of any size. Only the framing is known here; what a message
// says is for whoever asked. Functions return 0 or a positive errno.
#pragma once

#include <cstdint>
#include <vector>

#include "base/netlink_socket.h"

namespace wanmark {

/** Puts the next datagram, whatever its size, behind what `bytes` holds. */
int ReceiveAnswer(const NetlinkSocket& socket, std::vector<uint8_t>& bytes);

/** What a message of type NLMSG_ERROR or NLMSG_DONE says: 0 or errno. */
int AnswerError(const uint8_t* message, uint32_t length);

/**
 * Reads a dump to its end, and puts its messages, without NLMSG_DONE, behind what `messages` holds.
 * @param interrupted becomes true where something changed meanwhile
 */
int ReadDump(const NetlinkSocket& socket, std::vector<uint8_t>& messages, bool& interrupted);

}  // namespace wanmark
