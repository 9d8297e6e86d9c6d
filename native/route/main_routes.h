// Where the routes of the main table lead, asked of the kernel in microseconds: `ip route` would take
// milliseconds, and /proc/net/route shows one device of a multipath route, /proc/net/ipv6_route all tables as
// if they were one. Functions return 0 or a positive errno.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wanmark {

/** One way of a default route. */
struct DefaultRoute {
  /** Interface index. */
  uint32_t device = 0;
  /** Empty where the device needs none. */
  std::string gateway;
  uint32_t metric = 0;
};

/**
 * The default routes of the main table in the kernel's order, a multipath one as several. Without those that
 * the kernel itself calls dead, and without IPv4 ones by an IPv6 gateway.
 */
int DefaultRoutes(int family, std::vector<DefaultRoute>& routes);

/**
 * Whether the kernel would reach `address` by `device` without a gateway and by more than a default route,
 * which is when it accepts it as the gateway of a route.
 */
int OnLink(int family, const std::string& address, uint32_t device, bool& on_link);

}  // namespace wanmark
