// Tests the framing of rtnetlink's dumps and requests on the kernel's own answers, as any user may ask for
// them.
#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>

#include "base/netlink.h"
#include "check.h"
#include "route/rtnetlink.h"

using namespace wanmark;

namespace {

template <typename Header>
std::span<const uint8_t> Bytes(const Header& header) {
  return {reinterpret_cast<const uint8_t*>(&header), sizeof(header)};
}

void TestDump() {
  const ifinfomsg links{};
  std::vector<uint8_t> messages{1, 2, 3};
  CHECK_EQUAL(RouteDump(RTM_GETLINK, Bytes(links), messages), 0);
  int left = static_cast<int>(messages.size());
  const auto* message = reinterpret_cast<const nlmsghdr*>(messages.data());
  int count = 0;
  bool loopback = false;
  for (; IsMessage(message, left); message = NextMessage(message, left)) {
    CHECK_EQUAL(message->nlmsg_type, RTM_NEWLINK);
    loopback = loopback || MessageBody<ifinfomsg>(message)->ifi_index == 1;
    count++;
  }
  CHECK_EQUAL(left, 0);
  CHECK(count >= 1 && loopback);
}

void TestRefusedDump() {
  rtmsg routes{};
  routes.rtm_family = AF_INET;
  routes.rtm_table = 77;
  std::vector<uint8_t> messages;
  // Nobody has put a route into this table.
  CHECK_EQUAL(RouteDump(RTM_GETROUTE, Bytes(routes), messages), ENOENT);
  CHECK_EQUAL(messages.size(), 0);
}

void TestRequest() {
  struct {
    rtmsg route;
    nlattr attribute;
    in_addr address;
  } wanted{};
  wanted.route.rtm_family = AF_INET;
  wanted.route.rtm_dst_len = 32;
  wanted.attribute = {sizeof(nlattr) + sizeof(in_addr), RTA_DST};
  wanted.address.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<uint8_t> message;
  CHECK_EQUAL(RouteRequest(RTM_GETROUTE, 0, Bytes(wanted), message), 0);
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  CHECK(IsMessage(header, static_cast<int>(message.size())));
  CHECK_EQUAL(header->nlmsg_type, RTM_NEWROUTE);

  // There is no device with this number.
  const ifinfomsg nobody{AF_UNSPEC, 0, 0, 0x7fffffff, 0, 0};
  CHECK_EQUAL(RouteRequest(RTM_GETLINK, 0, Bytes(nobody), message), ENODEV);
  CHECK_EQUAL(message.size(), 0);
}

}  // namespace

int main() {
  TestDump();
  TestRefusedDump();
  TestRequest();
}
