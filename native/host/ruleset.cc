#include "host/ruleset.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/netlink.h"
#include "base/netlink_socket.h"

namespace wanmark {

namespace {

// These are of include/uapi/linux/netfilter_ipv4/ip_tables.h, which C++ cannot include, because its functions
// add to a void pointer. ip6_tables.h has the same number and the same layout.
constexpr int kGetInfo = 64;
constexpr size_t kTableNameBytes = 32;
struct GetInfo {
  char name[kTableNameBytes];
  unsigned int valid_hooks;
  unsigned int hook_entry[5];
  unsigned int underflow[5];
  unsigned int num_entries;
  unsigned int size;
};
static_assert(sizeof(GetInfo) == 84);

}  // namespace

int NftGeneration(uint32_t& generation) {
  NetlinkSocket socket;
  if (const int error = socket.Open(NETLINK_NETFILTER)) return error;
  if (const int error = socket.BindAndConnect()) return error;

  alignas(nlmsghdr) char request[AttributesAt(sizeof(nfgenmsg))];
  nlmsghdr* message = StartMessage(request);
  message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  message->nlmsg_flags = NLM_F_REQUEST;
  AppendHeader<nfgenmsg>(message);
  if (const int error = socket.Send(message, message->nlmsg_len)) return error;

  // The kernel answers inside send, so there is nothing to wait for.
  alignas(nlmsghdr) char answer[512];
  const ssize_t size = recv(socket.fd(), answer, sizeof(answer), MSG_DONTWAIT);
  if (size < 0) return errno;
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (!IsMessage(header, static_cast<int>(size))) return EBADMSG;
  if (header->nlmsg_type == NLMSG_ERROR) {
    const int error = MessageError(header);
    return error ? error : EBADMSG;
  }
  bool found = false;
  ForEachAttributeOf<nfgenmsg>(header, [&](const nlattr* attribute) {
    if (AttributeType(attribute) != NFTA_GEN_ID || AttributeBytes(attribute) < sizeof(generation)) return;
    generation = ntohl(AttributeValue<uint32_t>(attribute));
    found = true;
  });
  return found ? 0 : EBADMSG;
}

int LegacyTable(int family, const char* name, TableInfo& info) {
  const int level = family == 6 ? IPPROTO_IPV6 : IPPROTO_IP;
  const int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  GetInfo answer{};
  std::strncpy(answer.name, name, sizeof(answer.name) - 1);
  socklen_t size = sizeof(answer);
  const int error = getsockopt(fd, level, kGetInfo, &answer, &size) < 0 ? errno : 0;
  close(fd);
  info = {answer.num_entries, answer.size};
  return error;
}

}  // namespace wanmark
