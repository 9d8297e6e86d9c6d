#include "base/netlink_socket.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/netlink.h"

namespace wanmark {

namespace {

// The kernel answers inside sendmsg. This limit only guards against a kernel that does not answer at all.
constexpr int kAnswerTimeoutMs = 2000;

}  // namespace

NetlinkSocket& NetlinkSocket::operator=(NetlinkSocket&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = other.Release();
  }
  return *this;
}

int NetlinkSocket::Release() { return std::exchange(fd_, -1); }

void NetlinkSocket::Close() {
  // close() is not repeated after EINTR, because Linux has released the descriptor by then (close(2)).
  if (fd_ >= 0) close(Release());
}

int NetlinkSocket::Open(int protocol) {
  Close();
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  return fd_ < 0 ? errno : 0;
}

int NetlinkSocket::BindAndConnect() {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (bind(fd_, generic, sizeof(address)) < 0) return errno;
  return connect(fd_, generic, sizeof(address)) < 0 ? errno : 0;
}

int NetlinkSocket::SetOption(int option) {
  const int on = 1;
  return setsockopt(fd_, SOL_NETLINK, option, &on, sizeof(on)) < 0 ? errno : 0;
}

uint32_t NetlinkSocket::SetReceiveBuffer(uint32_t bytes) {
  const int wanted = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : static_cast<int>(bytes);
  // SO_RCVBUFFORCE needs CAP_NET_ADMIN, in older kernels that of the initial user namespace. Without it,
  // net.core.rmem_max is the limit.
  if (setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) < 0) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
  }
  int granted = 0;
  socklen_t size = sizeof(granted);
  return getsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &granted, &size) < 0 ? 0 : static_cast<uint32_t>(granted);
}

int NetlinkSocket::Send(const void* data, size_t size) {
  ssize_t sent;
  do {
    sent = send(fd_, data, size, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

int NetlinkSocket::Request(const nlmsghdr* message) {
  if (const int error = Send(message, message->nlmsg_len)) return error;

  pollfd readable{fd_, POLLIN, 0};
  int ready;
  do {
    ready = poll(&readable, 1, kAnswerTimeoutMs);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;

  alignas(nlmsghdr) char answer[kMessageHeaderBytes + sizeof(nlmsgerr)];
  const ssize_t size = recv(fd_, answer, sizeof(answer), MSG_PEEK | MSG_DONTWAIT);
  if (size < 0) return errno;
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (size < static_cast<ssize_t>(sizeof(answer)) || header->nlmsg_type != NLMSG_ERROR) return 0;
  const int result = MessageError(header);
  if (recv(fd_, answer, sizeof(answer), MSG_DONTWAIT) < 0) return errno;
  return result;
}

}  // namespace wanmark
