// The counters of a table that have names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/netlink_socket.h"

namespace wanmark {

/**
 * Reads all of them as messages of type NFT_MSG_NEWOBJ, one behind the other, each at a multiple of 4 bytes.
 * ENOENT: there is no such table. Returns 0 or a positive errno.
 * @param family NFPROTO_* of the table
 */
int DumpCounters(NetlinkSocket& socket, uint8_t family, const std::string& table,
                 std::vector<uint8_t>& messages);

}  // namespace wanmark
