#include "route/news.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

namespace wanmark {

namespace {

// A news of a route takes some 800 bytes of the buffer (its skb's truesize), so this holds those of some
// 10,000, as when a router that speaks BGP gets a table.
constexpr uint32_t kBufferBytes = 4 << 20;
constexpr size_t kMostBytes = 1 << 20;
// The kernel makes one datagram of each message, and the largest, of a link, has a page at most beside its
// VFs, which are left out of news (rtmsg_ifinfo_build_skb without RTEXT_FILTER_VF).
constexpr size_t kDatagramBytes = 16384;

}  // namespace

int NewsSocket::Open(std::span<const uint32_t> groups) {
  if (const int error = socket_.Open(NETLINK_ROUTE)) return error;
  if (const int error = socket_.BindAndConnect()) return error;
  socket_.SetReceiveBuffer(kBufferBytes);
  for (const uint32_t group : groups) {
    if (setsockopt(socket_.fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
      return errno;
  }
  return 0;
}

int NewsSocket::Read(std::vector<uint8_t>& messages, bool& lost, bool& more) {
  messages.clear();
  lost = more = false;
  while (messages.size() < kMostBytes) {
    const size_t start = messages.size();
    messages.resize(start + kDatagramBytes);
    const ssize_t size =
        recv(socket_.fd(), messages.data() + start, kDatagramBytes, MSG_DONTWAIT | MSG_TRUNC);
    const int error = size < 0 ? errno : 0;
    const bool whole = size >= 0 && static_cast<size_t>(size) <= kDatagramBytes;
    // A message ends where the next one begins (NLMSG_ALIGN).
    messages.resize(start + (whole ? (static_cast<size_t>(size) + 3) & ~size_t{3} : 0));
    if (error == EAGAIN) return 0;
    if (error == EINTR) continue;
    if (error == ENOBUFS || (!error && !whole)) {
      lost = true;
      continue;
    }
    if (error) return error;
  }
  more = true;
  return 0;
}

}  // namespace wanmark
