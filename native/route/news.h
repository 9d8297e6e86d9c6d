// A subscription to what rtnetlink tells of changes: links, addresses, routes and rules of this network
// namespace. Only the framing of netlink is known here. Functions return 0 or a positive errno.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/netlink_socket.h"

namespace wanmark {

class NewsSocket {
 public:
  /** Subscribes. @param groups RTNLGRP_* of linux/rtnetlink.h */
  int Open(std::span<const uint32_t> groups);
  /**
   * Puts the messages that have come, one behind the other, into `messages`: a mebibyte at most, so that
   * whoever waits for the JS thread does not wait for a whole routing table.
   *
   * @param lost whether the kernel had more to tell than the socket could hold (ENOBUFS, netlink_overrun)
   * @param more whether there may be more to read
   */
  int Read(std::vector<uint8_t>& messages, bool& lost, bool& more);
  void Close() { socket_.Close(); }
  int fd() const { return socket_.fd(); }

 private:
  NetlinkSocket socket_;
};

}  // namespace wanmark
