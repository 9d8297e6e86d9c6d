#include "route/main_routes.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "base/netlink_socket.h"

namespace wanmark {

namespace {

// A dump's datagrams have 32 KiB at most (netlink_dump).
constexpr size_t kAnswerBytes = 32768;
// Of linux/netlink.h and linux/rtnetlink.h, which older headers lack.
constexpr int kStrictCheck = 12;         // NETLINK_GET_STRICT_CHK, 4.20
constexpr unsigned kFibMatch = 0x2000;   // RTM_F_FIB_MATCH, 4.13
constexpr unsigned kInterrupted = 0x10;  // NLM_F_DUMP_INTR
constexpr int kMostTries = 3;

int AddressFamily(int family) { return family == 6 ? AF_INET6 : AF_INET; }

/** Calls `visit(type, payload, size)` for each attribute between two places. */
template <typename Visit>
void ForEachAttribute(const char* begin, const char* end, Visit visit) {
  while (end - begin >= static_cast<ptrdiff_t>(sizeof(nlattr))) {
    const auto* attribute = reinterpret_cast<const nlattr*>(begin);
    if (attribute->nla_len < sizeof(nlattr) || attribute->nla_len > end - begin) return;
    visit(attribute->nla_type & NLA_TYPE_MASK, begin + sizeof(nlattr), attribute->nla_len - sizeof(nlattr));
    begin += MNL_ALIGN(attribute->nla_len);
  }
}

uint32_t Number(const char* payload, size_t size) {
  uint32_t number = 0;
  if (size >= sizeof(number)) std::memcpy(&number, payload, sizeof(number));
  return number;
}

std::string Text(int family, const char* payload, size_t size) {
  char text[INET6_ADDRSTRLEN];
  if (size != (family == 6 ? sizeof(in6_addr) : sizeof(in_addr))) return "";
  return inet_ntop(AddressFamily(family), payload, text, sizeof(text)) ? text : "";
}

/** What a route or one of its ways says. */
struct Way {
  DefaultRoute route;
  uint32_t table = 0;
  /** Another family's gateway (RTA_VIA). */
  bool foreign = false;
  const char* others = nullptr;
  size_t others_size = 0;

  void Read(int family, int type, const char* payload, size_t size) {
    switch (type) {
      case RTA_OIF:
        route.device = Number(payload, size);
        break;
      case RTA_GATEWAY:
        route.gateway = Text(family, payload, size);
        break;
      case RTA_VIA:
        foreign = true;
        break;
      case RTA_PRIORITY:
        route.metric = Number(payload, size);
        break;
      case RTA_TABLE:
        table = Number(payload, size);
        break;
      case RTA_MULTIPATH:
        others = payload;
        others_size = size;
        break;
    }
  }
};

void ReadWays(int family, const Way& all, std::vector<DefaultRoute>& routes) {
  const char* at = all.others;
  const char* end = at + all.others_size;
  while (end - at >= static_cast<ptrdiff_t>(sizeof(rtnexthop))) {
    rtnexthop hop;
    std::memcpy(&hop, at, sizeof(hop));
    if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > end - at) return;
    Way way;
    ForEachAttribute(at + sizeof(hop), at + hop.rtnh_len, [&](int type, const char* payload, size_t size) {
      way.Read(family, type, payload, size);
    });
    way.route.device = static_cast<uint32_t>(hop.rtnh_ifindex);
    way.route.metric = all.route.metric;
    if (!(hop.rtnh_flags & RTNH_F_DEAD) && !way.foreign) routes.push_back(way.route);
    at += MNL_ALIGN(hop.rtnh_len);
  }
}

/** Of a message RTM_NEWROUTE; its header when it has one. */
const rtmsg* ReadRoute(int family, const nlmsghdr* header, Way& way) {
  if (header->nlmsg_type != RTM_NEWROUTE || header->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(rtmsg))
    return nullptr;
  const auto* begin = reinterpret_cast<const char*>(header);
  const auto* route = reinterpret_cast<const rtmsg*>(begin + MNL_NLMSG_HDRLEN);
  if (route->rtm_family != AddressFamily(family)) return nullptr;
  way.table = route->rtm_table;
  ForEachAttribute(
      begin + MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(rtmsg)), begin + header->nlmsg_len,
      [&](int type, const char* payload, size_t size) { way.Read(family, type, payload, size); });
  return route;
}

void ReadDefault(int family, const nlmsghdr* header, std::vector<DefaultRoute>& routes) {
  Way way;
  const rtmsg* route = ReadRoute(family, header, way);
  if (!route || route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST || way.table != RT_TABLE_MAIN)
    return;
  if (route->rtm_flags & RTM_F_CLONED) return;
  if (way.others) {
    ReadWays(family, way, routes);
  } else if (!(route->rtm_flags & RTNH_F_DEAD) && !way.foreign) {
    routes.push_back(way.route);
  }
}

int ErrorOf(const nlmsghdr* header) {
  return header->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(int)
             ? EBADMSG
             : -*static_cast<const int*>(mnl_nlmsg_get_payload(header));
}

int OpenRoutes(NetlinkSocket& socket) {
  if (const int error = socket.Open(NETLINK_ROUTE)) return error;
  return socket.BindAndConnect();
}

/** @param interrupted whether the table changed meanwhile, so that something may be left out */
int DumpDefaults(int family, std::vector<DefaultRoute>& routes, bool& interrupted) {
  NetlinkSocket socket;
  if (const int error = OpenRoutes(socket)) return error;
  // Where the kernel does not know it, all tables come, and ReadDefault takes main's.
  socket.SetOption(kStrictCheck);
  alignas(nlmsghdr) char request[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(rtmsg))];
  nlmsghdr* message = mnl_nlmsg_put_header(request);
  message->nlmsg_type = RTM_GETROUTE;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  auto* wanted = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
  wanted->rtm_family = static_cast<unsigned char>(AddressFamily(family));
  wanted->rtm_table = RT_TABLE_MAIN;
  if (const int error = socket.Send(message, message->nlmsg_len)) return error;

  const auto answer = std::make_unique<char[]>(kAnswerBytes);
  for (;;) {
    // The kernel fills the next datagram when one is taken (netlink_recvmsg): nothing to wait for.
    const ssize_t received = recv(socket.fd(), answer.get(), kAnswerBytes, MSG_DONTWAIT);
    if (received < 0) return errno;
    int size = static_cast<int>(received);
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer.get());
    for (; mnl_nlmsg_ok(header, size); header = mnl_nlmsg_next(header, &size)) {
      interrupted = interrupted || (header->nlmsg_flags & kInterrupted);
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
        const int error = ErrorOf(header);
        // A table nobody has ever put a route into.
        return error == ENOENT ? 0 : error;
      }
      ReadDefault(family, header, routes);
    }
  }
}

}  // namespace

int DefaultRoutes(int family, std::vector<DefaultRoute>& routes) {
  for (int i = 0; i < kMostTries; i++) {
    bool interrupted = false;
    routes.clear();
    const int error = DumpDefaults(family, routes, interrupted);
    if (error || !interrupted) return error;
  }
  return EAGAIN;
}

int OnLink(int family, const std::string& address, uint32_t device, bool& on_link) {
  on_link = false;
  char bytes[sizeof(in6_addr)];
  if (inet_pton(AddressFamily(family), address.c_str(), bytes) != 1) return EINVAL;
  const size_t length = family == 6 ? sizeof(in6_addr) : sizeof(in_addr);
  NetlinkSocket socket;
  if (const int error = OpenRoutes(socket)) return error;
  alignas(nlmsghdr) char request[256];
  nlmsghdr* message = mnl_nlmsg_put_header(request);
  message->nlmsg_type = RTM_GETROUTE;
  message->nlmsg_flags = NLM_F_REQUEST;
  auto* wanted = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
  wanted->rtm_family = static_cast<unsigned char>(AddressFamily(family));
  wanted->rtm_dst_len = static_cast<unsigned char>(8 * length);
  wanted->rtm_flags = kFibMatch;
  mnl_attr_put(message, RTA_DST, length, bytes);
  mnl_attr_put_u32(message, RTA_OIF, device);
  if (const int error = socket.Send(message, message->nlmsg_len)) return error;

  alignas(nlmsghdr) char answer[4096];
  const ssize_t size = recv(socket.fd(), answer, sizeof(answer), MSG_DONTWAIT);
  if (size < 0) return errno;
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (!mnl_nlmsg_ok(header, static_cast<int>(size))) return EBADMSG;
  // No way there.
  if (header->nlmsg_type == NLMSG_ERROR) return 0;
  Way way;
  const rtmsg* route = ReadRoute(family, header, way);
  on_link = route && route->rtm_type == RTN_UNICAST && route->rtm_dst_len > 0 && way.route.device == device &&
            way.route.gateway.empty() && !way.foreign && !way.others;
  return 0;
}

}  // namespace wanmark
