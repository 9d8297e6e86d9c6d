#include "host/ruleset.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

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

  alignas(nlmsghdr) char request[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(nfgenmsg))];
  nlmsghdr* message = mnl_nlmsg_put_header(request);
  message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  message->nlmsg_flags = NLM_F_REQUEST;
  mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg));
  if (const int error = socket.Send(message, message->nlmsg_len)) return error;

  // The kernel answers inside send, so there is nothing to wait for.
  alignas(nlmsghdr) char answer[512];
  const ssize_t size = recv(socket.fd(), answer, sizeof(answer), MSG_DONTWAIT);
  if (size < 0) return errno;
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (!mnl_nlmsg_ok(header, static_cast<int>(size))) return EBADMSG;
  if (header->nlmsg_type == NLMSG_ERROR) {
    const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header))->error;
    return error ? error : EBADMSG;
  }
  // The attributes are walked by hand, because libmnl's macro assigns a void pointer, which C++ does not
  // allow.
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(header, sizeof(nfgenmsg)));
  const auto* tail = static_cast<const char*>(mnl_nlmsg_get_payload_tail(header));
  for (; mnl_attr_ok(attribute, static_cast<int>(tail - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute)) {
    if (mnl_attr_get_type(attribute) != NFTA_GEN_ID || mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
      continue;
    generation = ntohl(mnl_attr_get_u32(attribute));
    return 0;
  }
  return EBADMSG;
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
