#include "conntrack/news.h"

#include <endian.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/random_key.h"
#include "conntrack/messages.h"

namespace wanmark {

namespace {

// An event of ctnetlink has at most 600 bytes.
constexpr size_t kEventBytes = 1024;
constexpr size_t kEvents = 64;

void PutAddress(uint8_t* bytes, const IpAddress& address) {
  const uint64_t parts[] = {htobe64(address.high), htobe64(address.low)};
  std::memcpy(bytes, parts, sizeof(parts));
}

}  // namespace

CtNews::CtNews() : receiver_(kEvents, kEventBytes), key_(RandomKey()) {}

int CtNews::Open(uint32_t mask, uint32_t buffer, uint32_t most, CtNewsStep& failed) {
  failed = CtNewsStep::kSocket;
  if (const int error = socket_.Open(NETLINK_NETFILTER)) return error;
  granted_ = socket_.SetReceiveBuffer(buffer);
  most_ = most;
  std::vector<sock_filter> filter = BuildCtMarkFilter(mask);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (setsockopt(fd(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0) return errno;
  if (const int error = socket_.BindAndConnect()) return error;
  failed = CtNewsStep::kEvents;
  const int group = NFNLGRP_CONNTRACK_NEW;
  if (setsockopt(fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) return errno;
  failed = CtNewsStep::kNone;
  return 0;
}

int CtNews::Read(const CtBegun& into, size_t& count, bool& lost, bool& more) {
  count = 0;
  lost = more = false;
  while (into.capacity - count >= kEvents) {
    const int received = receiver_.Receive(fd());
    if (received == -EAGAIN) return 0;
    if (received == -ENOBUFS) {
      lost = true;
      GrowBuffer();
      continue;
    }
    if (received < 0) return -received;
    for (int i = 0; i < received; i++) {
      if (Put(receiver_.Datagram(static_cast<size_t>(i)), into, count)) count++;
    }
  }
  more = true;
  return 0;
}

bool CtNews::Put(std::span<const uint8_t> datagram, const CtBegun& into, size_t at) {
  CtEntry entry;
  if (!ParseCtEntry(datagram, key_, entry) || (exclusion_ && exclusion_->Excludes(entry))) return false;
  into.family[at] = entry.family == AF_INET6 ? 6 : 4;
  into.proto[at] = entry.proto;
  PutAddress(into.src + 16 * at, entry.src);
  PutAddress(into.dst + 16 * at, entry.dst);
  into.sport[at] = entry.sport;
  into.dport[at] = entry.dport;
  into.mark[at] = entry.mark;
  return true;
}

void CtNews::GrowBuffer() {
  // The kernel grants twice the size that was asked for (socket(7)).
  if (granted_ <= most_) granted_ = std::max(granted_, socket_.SetReceiveBuffer(granted_));
}

}  // namespace wanmark
