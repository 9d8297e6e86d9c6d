#include "base/netlink_answer.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/netlink.h"

namespace wanmark {

namespace {

// Of linux/netlink.h, which older headers lack.
constexpr uint16_t kDumpInterrupted = 0x10;  // NLM_F_DUMP_INTR, Linux 3.1
// The kernel fills datagrams of a dump up to this size when they are read with as much (netlink_dump).
constexpr size_t kDumpBytes = 32768;

}  // namespace

int ReceiveAnswer(const NetlinkSocket& socket, std::vector<uint8_t>& bytes) {
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

int AnswerError(const uint8_t* message, uint32_t length) {
  int error;
  if (length < sizeof(nlmsghdr) + sizeof(error)) return EBADMSG;
  std::memcpy(&error, message + sizeof(nlmsghdr), sizeof(error));
  return -error;
}

int ReadDump(const NetlinkSocket& socket, std::vector<uint8_t>& messages, bool& interrupted) {
  for (;;) {
    size_t at = messages.size();
    if (const int error = ReceiveAnswer(socket, messages)) return error;
    while (messages.size() - at >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, &messages[at], sizeof(header));
      if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > messages.size() - at) return EBADMSG;
      if (header.nlmsg_flags & kDumpInterrupted) interrupted = true;
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
        const int error = AnswerError(&messages[at], header.nlmsg_len);
        messages.resize(at);
        return error;
      }
      at += NetlinkAlign(header.nlmsg_len);
      if (at > messages.size()) messages.resize(at);
    }
    messages.resize(at);
  }
}

}  // namespace wanmark
