#include "conntrack/request.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "base/netlink.h"
#include "base/netlink_socket.h"

namespace wanmark {

namespace {

int Open(NetlinkSocket& socket) {
  if (const int error = socket.Open(NETLINK_NETFILTER)) return error;
  if (const int error = socket.SetOption(NETLINK_CAP_ACK)) return error;
  return socket.BindAndConnect();
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
  deletions.insert(deletions.end(), buffer, buffer + NetlinkAlign(message->nlmsg_len));
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
    for (; IsMessage(message, left); message = NextMessage(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE) return 0;
      if (message->nlmsg_type == NLMSG_ERROR) {
        return MessageError(message);
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
      at += NetlinkAlign(reinterpret_cast<const nlmsghdr*>(&deletions[at])->nlmsg_len);
    }
    if (const int error = socket.Send(&deletions[start], at - start)) return error;
  }
  return 0;
}

// A message of ctnetlink has at most 600 bytes, and some 1,200 with names of helpers and labels.
constexpr size_t kAnswerBytes = 4096;

/**
 * Asks for one connection. Returns 0 with the kernel's message in `answer` and what it says in `entry`,
 * ENOENT when there is no such connection, or another errno.
 */
int Get(NetlinkSocket& socket, const CtTuple& tuple, char* answer, CtEntry& entry) {
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  if (const int error = socket.Request(BuildCtGet(buffer, tuple))) return error;
  // Without an error, Request has left the answer in the socket.
  const ssize_t size = recv(socket.fd(), answer, kAnswerBytes, MSG_DONTWAIT);
  if (size < 0) return errno;
  const auto* bytes = reinterpret_cast<const uint8_t*>(answer);
  return ParseCtEntry({bytes, static_cast<size_t>(size)}, SipKey{}, entry) ? 0 : EBADMSG;
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
    alignas(nlmsghdr) char answer[kAnswerBytes];
    CtEntry entry;
    const int error = Get(socket, tuple, answer, entry);
    if (error && error != ENOENT) return error;
    entries.push_back(error ? std::nullopt : std::optional(entry));
  }
  return 0;
}

int ForgetCt(const std::vector<CtQuestion>& questions, uint32_t mask, bool unanswered,
             std::vector<bool>& ended) {
  NetlinkSocket socket;
  if (const int error = Open(socket)) return error;
  for (const auto& [tuple, mark] : questions) {
    alignas(nlmsghdr) char answer[kAnswerBytes];
    CtEntry entry;
    int error = Get(socket, tuple, answer, entry);
    if (error && error != ENOENT) return error;
    const bool selected =
        !error && (entry.mark & mask) == mark && !(unanswered && entry.status & IPS_SEEN_REPLY);
    if (selected) {
      alignas(nlmsghdr) char buffer[kCtMessageBytes];
      nlmsghdr* message = BuildCtDelete(buffer, reinterpret_cast<const nlmsghdr*>(answer));
      if (!message) return EBADMSG;
      message->nlmsg_flags |= NLM_F_ACK;
      error = socket.Request(message);
      if (error && error != ENOENT) return error;
    }
    ended.push_back(selected && !error);
  }
  return 0;
}

}  // namespace wanmark
