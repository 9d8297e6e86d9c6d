#include "route/rtnetlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/netlink.h"
#include "base/netlink_socket.h"

namespace wanmark {

namespace {

// Of linux/netlink.h, which older headers lack.
constexpr int kStrictCheck = 12;             // NETLINK_GET_STRICT_CHK, Linux 4.20
constexpr uint16_t kDumpInterrupted = 0x10;  // NLM_F_DUMP_INTR, Linux 3.1
constexpr int kMostTries = 3;
// The kernel fills datagrams of a dump up to this size when they are read with as much (netlink_dump).
constexpr size_t kDumpBytes = 32768;

int Open(NetlinkSocket& socket, int protocol) {
  if (const int error = socket.Open(protocol)) return error;
  return socket.BindAndConnect();
}

int Send(NetlinkSocket& socket, uint16_t type, uint16_t flags, std::span<const uint8_t> body) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof(header) + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  std::vector<uint8_t> request(header.nlmsg_len);
  std::memcpy(request.data(), &header, sizeof(header));
  if (!body.empty()) std::memcpy(request.data() + sizeof(header), body.data(), body.size());
  return socket.Send(request.data(), request.size());
}

/** Puts the next datagram, whatever its size, behind what `bytes` holds. */
int Receive(const NetlinkSocket& socket, std::vector<uint8_t>& bytes) {
  const size_t start = bytes.size();
  size_t room = kDumpBytes;
  for (;;) {
    bytes.resize(start + room);
    // With MSG_TRUNC the size is the datagram's own. A message may be larger than kDumpBytes, as that of a
    // device with many virtual functions, so each is looked at before it is taken.
    const ssize_t size = recv(socket.fd(), bytes.data() + start, room, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    if (static_cast<size_t>(size) > room) {
      room = static_cast<size_t>(size);
      continue;
    }
    bytes.resize(start + static_cast<size_t>(size));
    // The kernel fills the next datagram of a dump when one is taken (netlink_recvmsg). It goes by the room
    // that is offered (max_recvmsg_len), so the peek above has asked for large ones.
    return recv(socket.fd(), nullptr, 0, MSG_DONTWAIT | MSG_TRUNC) < 0 ? errno : 0;
  }
}

/** What NLMSG_ERROR or NLMSG_DONE says: 0 or errno. */
int ErrorOf(const uint8_t* message, uint32_t length) {
  int error;
  if (length < sizeof(nlmsghdr) + sizeof(error)) return EBADMSG;
  std::memcpy(&error, message + sizeof(nlmsghdr), sizeof(error));
  return -error;
}

/** Reads a dump to its end. @param interrupted whether something changed meanwhile */
int ReadDump(const NetlinkSocket& socket, std::vector<uint8_t>& messages, bool& interrupted) {
  for (;;) {
    size_t at = messages.size();
    if (const int error = Receive(socket, messages)) return error;
    while (messages.size() - at >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, &messages[at], sizeof(header));
      if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > messages.size() - at) return EBADMSG;
      if (header.nlmsg_flags & kDumpInterrupted) interrupted = true;
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
        const int error = ErrorOf(&messages[at], header.nlmsg_len);
        messages.resize(at);
        return error;
      }
      at += NetlinkAlign(header.nlmsg_len);
      if (at > messages.size()) messages.resize(at);
    }
    messages.resize(at);
  }
}

}  // namespace

int RouteDump(uint16_t type, std::span<const uint8_t> body, std::vector<uint8_t>& messages, int protocol) {
  for (int i = 0; i < kMostTries; i++) {
    messages.clear();
    NetlinkSocket socket;
    if (const int error = Open(socket, protocol)) return error;
    // Where the kernel does not know it, it sends more, which the answer's reader leaves out.
    socket.SetOption(kStrictCheck);
    if (const int error = Send(socket, type, NLM_F_REQUEST | NLM_F_DUMP, body)) return error;
    bool interrupted = false;
    if (const int error = ReadDump(socket, messages, interrupted)) return error;
    if (!interrupted) return 0;
  }
  return EAGAIN;
}

int RouteRequest(uint16_t type, uint16_t flags, std::span<const uint8_t> body, std::vector<uint8_t>& message,
                 int protocol) {
  message.clear();
  NetlinkSocket socket;
  if (const int error = Open(socket, protocol)) return error;
  if (const int error = Send(socket, type, NLM_F_REQUEST | flags, body)) return error;
  if (const int error = Receive(socket, message)) return error;
  nlmsghdr header;
  if (message.size() < sizeof(header)) return EBADMSG;
  std::memcpy(&header, message.data(), sizeof(header));
  if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > message.size()) return EBADMSG;
  if (header.nlmsg_type != NLMSG_ERROR) return 0;
  const int error = ErrorOf(message.data(), header.nlmsg_len);
  message.clear();
  return error;
}

}  // namespace wanmark
