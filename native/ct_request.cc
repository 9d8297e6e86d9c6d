#include "ct_request.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "netlink_socket.h"

namespace wanmark {

namespace {

int Open(NetlinkSocket& socket) {
  if (const int error = socket.Open(NETLINK_NETFILTER)) return error;
  if (const int error = socket.SetOption(NETLINK_CAP_ACK)) return error;
  return socket.BindAndConnect();
}

}  // namespace

int FlushCt(uint32_t mark, uint32_t mask) {
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  const nlmsghdr* message = BuildCtFlush(buffer, mark, mask);
  if (!message) return EINVAL;
  NetlinkSocket socket;
  if (const int error = Open(socket)) return error;
  return socket.Request(message);
}

int LookUpCt(const CtTuple& tuple, CtEntry& entry) {
  NetlinkSocket socket;
  if (const int error = Open(socket)) return error;
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  if (const int error = socket.Request(BuildCtGet(buffer, tuple))) return error;
  // No error: Request has left the answer in the buffer.
  alignas(nlmsghdr) uint8_t answer[4096];
  const ssize_t size = recv(socket.fd(), answer, sizeof(answer), MSG_DONTWAIT);
  if (size < 0) return errno;
  return ParseCtEntry({answer, static_cast<size_t>(size)}, SipKey{}, entry) ? 0 : EBADMSG;
}

}  // namespace wanmark
