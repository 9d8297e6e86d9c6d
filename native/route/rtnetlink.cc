#include "route/rtnetlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/netlink.h"
#include "base/netlink_answer.h"
#include "base/netlink_socket.h"

namespace wanmark {

namespace {

// Of linux/netlink.h, which older headers lack.
constexpr int kStrictCheck = 12;  // NETLINK_GET_STRICT_CHK, Linux 4.20
constexpr int kMostTries = 3;

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
  if (const int error = ReceiveAnswer(socket, message)) return error;
  nlmsghdr header;
  if (message.size() < sizeof(header)) return EBADMSG;
  std::memcpy(&header, message.data(), sizeof(header));
  if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > message.size()) return EBADMSG;
  if (header.nlmsg_type != NLMSG_ERROR) return 0;
  const int error = AnswerError(message.data(), header.nlmsg_len);
  message.clear();
  return error;
}

}  // namespace wanmark
