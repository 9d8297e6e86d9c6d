#include "conntrack/request.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "base/netlink_socket.h"

namespace wanmark {

namespace {

int Open(NetlinkSocket& socket) {
  if (const int error = socket.Open(NETLINK_NETFILTER)) return error;
  if (const int error = socket.SetOption(NETLINK_CAP_ACK)) return error;
  return socket.BindAndConnect();
}

/** The room for an answer about one connection. */
constexpr size_t kAnswerBytes = 4096;

/**
 * Asks for the connection of a tuple. Returns 0 with its message at the beginning of `answer`, ENOENT when
 * there is none, or another errno.
 */
int Ask(NetlinkSocket& socket, const CtTuple& tuple, uint8_t (&answer)[kAnswerBytes], CtEntry& entry) {
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  if (const int error = socket.Request(BuildCtGet(buffer, tuple))) return error;
  // Without an error, Request has left the answer in the socket's buffer.
  const ssize_t size = recv(socket.fd(), answer, kAnswerBytes, MSG_DONTWAIT);
  if (size < 0) return errno;
  return ParseCtEntry({answer, static_cast<size_t>(size)}, SipKey{}, entry) ? 0 : EBADMSG;
}

// The kernel fills datagrams of a dump up to 32 KiB when they are read with as much (netlink_recvmsg).
constexpr size_t kDumpBytes = 32 << 10;
constexpr int kDumpTimeoutMs = 2000;

/** Messages one behind the other, one for each connection that is to be ended. */
using Deletions = std::vector<char>;

void Collect(const CtSelection& selection, const nlmsghdr* told, Deletions& deletions, CtFlushed& flushed) {
  CtEntry entry;
  const auto* bytes = reinterpret_cast<const uint8_t*>(told);
  if (!ParseCtEntry({bytes, told->nlmsg_len}, SipKey{}, entry) || !selection.Takes(entry)) return;
  flushed.found++;
  if (selection.most != 0 && flushed.ended >= selection.most) return;
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  const nlmsghdr* message = BuildCtDelete(buffer, told);
  if (!message) return;
  deletions.insert(deletions.end(), buffer, buffer + MNL_ALIGN(message->nlmsg_len));
  flushed.ended++;
}

/** Reads a dump to its end. Returns 0 or errno. */
int ReadDump(NetlinkSocket& socket, const CtSelection& selection, Deletions& deletions, CtFlushed& flushed) {
  std::vector<uint64_t> buffer(kDumpBytes / sizeof(uint64_t));
  for (;;) {
    pollfd readable{socket.fd(), POLLIN, 0};
    const int ready = poll(&readable, 1, kDumpTimeoutMs);
    if (ready == 0) return ETIMEDOUT;
    const ssize_t size = recv(socket.fd(), buffer.data(), kDumpBytes, MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return errno;
    int left = static_cast<int>(size);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type == NLMSG_DONE) return 0;
      if (message->nlmsg_type == NLMSG_ERROR) {
        return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
      }
      Collect(selection, message, deletions, flushed);
    }
  }
}

/**
 * Sends the messages. The kernel has carried them out when send(2) returns; it answers only for connections
 * that are gone already.
 */
int SendAll(NetlinkSocket& socket, const Deletions& deletions) {
  for (size_t at = 0; at < deletions.size();) {
    const size_t start = at;
    while (at < deletions.size() && at - start < kDumpBytes - kCtMessageBytes) {
      at += MNL_ALIGN(reinterpret_cast<const nlmsghdr*>(&deletions[at])->nlmsg_len);
    }
    if (const int error = socket.Send(&deletions[start], at - start)) return error;
  }
  return 0;
}

}  // namespace

bool CtSelection::Takes(const CtEntry& entry) const {
  if ((entry.status & status_mask) != status) return false;
  return (proto == 0 && !unanswered) || (proto != 0 && entry.proto == proto) ||
         (unanswered && !(entry.status & IPS_SEEN_REPLY));
}

int FlushCt(const CtSelection& selection, CtFlushed& flushed) {
  const uint32_t mark = selection.mark, mask = selection.mask;
  const uint8_t family = selection.family;
  if (mask == 0) return EINVAL;
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  NetlinkSocket socket;
  if (const int error = Open(socket)) return error;
  if (selection.is_whole()) return socket.Request(BuildCtFlush(buffer, mark, mask, family));
  const nlmsghdr* message = BuildCtDump(buffer, mark, mask, family);
  if (const int error = socket.Send(message, message->nlmsg_len)) return error;
  Deletions deletions;
  if (const int error = ReadDump(socket, selection, deletions, flushed)) return error;
  return SendAll(socket, deletions);
}

int LookUpCt(const std::vector<CtTuple>& tuples, std::vector<std::optional<CtEntry>>& entries) {
  NetlinkSocket socket;
  if (const int error = Open(socket)) return error;
  for (const CtTuple& tuple : tuples) {
    alignas(nlmsghdr) uint8_t answer[kAnswerBytes];
    CtEntry entry;
    const int error = Ask(socket, tuple, answer, entry);
    if (error && error != ENOENT) return error;
    entries.push_back(error ? std::nullopt : std::optional(entry));
  }
  return 0;
}

int ForgetCt(const CtTuple& tuple, uint32_t mark, bool unanswered) {
  NetlinkSocket socket;
  if (const int error = Open(socket)) return error;
  alignas(nlmsghdr) uint8_t answer[kAnswerBytes];
  CtEntry entry;
  if (const int error = Ask(socket, tuple, answer, entry)) return error == ENOENT ? 0 : error;
  if ((entry.mark & mark) != mark || (unanswered && entry.status & IPS_SEEN_REPLY)) return 0;
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  // The deletion names the connection's id, so that it cannot hit a later one of the same tuple.
  const nlmsghdr* message = BuildCtDelete(buffer, reinterpret_cast<const nlmsghdr*>(answer));
  return message ? socket.Send(message, message->nlmsg_len) : EBADMSG;
}

}  // namespace wanmark
