#include "probe/socket.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace wanmark {

namespace {

/** Writes `address`, given as text, to `out`. Returns its size; 0 when it is not an address of the family. */
socklen_t ParseAddress(int family, const std::string& address, uint16_t port, sockaddr_storage& out) {
  std::memset(&out, 0, sizeof(out));
  if (family == AF_INET) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1 ? sizeof(v4) : 0;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  return inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1 ? sizeof(v6) : 0;
}

const char* AnyAddress(int family) { return family == AF_INET ? "0.0.0.0" : "::"; }

template <typename Value>
int SetOption(int fd, int level, int option, const Value& value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

/** Keeps only echo replies, since a raw socket gets every ICMP message of the machine. */
int KeepReplies(int fd, int family) {
  if (family == AF_INET) {
    return SetOption(fd, SOL_RAW, ICMP_FILTER, icmp_filter{~(1u << ICMP_ECHOREPLY)});
  }
  icmp6_filter filter;
  std::memset(&filter, 0xff, sizeof(filter));
  filter.data[ICMPV6_ECHO_REPLY >> 5] &= ~(1u << (ICMPV6_ECHO_REPLY & 31));
  return SetOption(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, filter);
}

/**
 * Delays the ACK of the SYN/ACK (tcp_rcv_synsent_state_process asks inet_csk_in_pingpong_mode) and makes
 * close send a reset. The ACK waits for some 40 ms (TCP_ATO_MIN); a program that is slower is noticed, which
 * does no harm.
 */
int StayHalfOpen(int fd) {
  if (const int error = SetOption(fd, IPPROTO_TCP, TCP_QUICKACK, 0)) return error;
  return SetOption(fd, SOL_SOCKET, SO_LINGER, linger{1, 0});
}

}  // namespace

int ProbeSocket::OpenEcho() {
  const int protocol = family_ == AF_INET ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6);
  fd_ = socket(family_, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd_ >= 0) return 0;
  // EACCES means that ping_init_sock() found no group of ours in ping_group_range. With other errors there
  // are no ping sockets at all.
  if (errno != EACCES && errno != EPROTONOSUPPORT && errno != ESOCKTNOSUPPORT) return errno;
  fd_ = socket(family_, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd_ < 0) return errno;
  raw_ = true;
  return KeepReplies(fd_, family_);
}

int ProbeSocket::Open(const ProbeOptions& options) {
  Close();
  family_ = options.family;
  kind_ = options.kind;
  raw_ = false;
  failed_ = ProbeStep::kNone;
  sockaddr_storage source;
  socklen_t source_size = options.source.empty() ? 0 : ParseAddress(family_, options.source, 0, source);
  if (source_size == 0 && !options.source.empty()) return Fail(ProbeStep::kAddress, EINVAL);
  if (options.device.size() >= IFNAMSIZ) return Fail(ProbeStep::kDevice, ENODEV);

  if (kind_ == ProbeKind::kEcho) {
    if (const int error = OpenEcho()) return Fail(ProbeStep::kSocket, error);
  } else {
    const int type = kind_ == ProbeKind::kTcp ? SOCK_STREAM : SOCK_DGRAM;
    fd_ = socket(family_, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return Fail(ProbeStep::kSocket, errno);
  }
  if (options.half_open) {
    if (const int error = StayHalfOpen(fd_)) return Fail(ProbeStep::kSocket, error);
  }
  if (options.mark != 0) {
    if (const int error = SetOption(fd_, SOL_SOCKET, SO_MARK, options.mark)) {
      return Fail(ProbeStep::kMark, error);
    }
  }
  if (!options.device.empty() &&
      setsockopt(fd_, SOL_SOCKET, SO_BINDTODEVICE, options.device.c_str(), options.device.size() + 1) != 0) {
    return Fail(ProbeStep::kDevice, errno);
  }
  const bool has_port = kind_ != ProbeKind::kEcho;
  if (source_size == 0 && has_port) source_size = ParseAddress(family_, AnyAddress(family_), 0, source);
  if (source_size != 0 && bind(fd_, reinterpret_cast<const sockaddr*>(&source), source_size) != 0) {
    return Fail(ProbeStep::kSource, errno);
  }
  // A "host unreachable" from a router ends the wait. Raw sockets do not ask for it, since they would also
  // hear of the probes of another WAN with the same source address (raw_icmp_error).
  if (kind_ != ProbeKind::kTcp && !raw_) {
    const int on = 1;
    const int error = family_ == AF_INET ? SetOption(fd_, SOL_IP, IP_RECVERR, on)
                                         : SetOption(fd_, SOL_IPV6, IPV6_RECVERR, on);
    if (error) return Fail(ProbeStep::kSocket, error);
  }
  return 0;
}

int ProbeSocket::Local(std::string& address, uint16_t& port) const {
  sockaddr_storage local{};
  socklen_t size = sizeof(local);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &size) != 0) return errno;
  char text[INET6_ADDRSTRLEN] = "";
  if (family_ == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(local);
    port = ntohs(v4.sin_port);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(local);
    port = ntohs(v6.sin6_port);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
  }
  address = text;
  return 0;
}

int ProbeSocket::SetPeer(const std::string& address, uint16_t port) {
  peer_size_ = ParseAddress(family_, address, port, peer_);
  if (peer_size_ == 0) return Fail(ProbeStep::kAddress, EINVAL);
  // A raw socket stays unconnected, because it would otherwise hear of the probes of other WANs.
  if (raw_) return 0;
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&peer_), peer_size_) == 0) return 0;
  return Fail(ProbeStep::kConnect, errno);
}

int ProbeSocket::Send(const void* data, size_t size) {
  ssize_t sent;
  do {
    sent = raw_ ? sendto(fd_, data, size, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&peer_), peer_size_)
                : send(fd_, data, size, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

int ProbeSocket::Receive(void* data, size_t size, size_t& received) {
  ssize_t got;
  do {
    got = recv(fd_, data, size, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno;
  received = static_cast<size_t>(got);
  return 0;
}

int ProbeSocket::TakeError() {
  uint8_t control[512];
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (recvmsg(fd_, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    const bool is_error = (part->cmsg_level == SOL_IP && part->cmsg_type == IP_RECVERR) ||
                          (part->cmsg_level == SOL_IPV6 && part->cmsg_type == IPV6_RECVERR);
    if (!is_error || part->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    sock_extended_err error;
    std::memcpy(&error, CMSG_DATA(part), sizeof(error));
    return static_cast<int>(error.ee_errno);
  }
  return 0;
}

int ProbeSocket::Fail(ProbeStep step, int error) {
  failed_ = step;
  Close();
  return error;
}

void ProbeSocket::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

int ProbeSocket::Release() { return std::exchange(fd_, -1); }

}  // namespace wanmark
