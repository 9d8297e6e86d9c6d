#include "conntrack/networks.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace wanmark {

namespace {

/** The bits behind a prefix, of a number whose highest bit is the first of the address. */
IpAddress HostBits(unsigned prefix) {
  // Shifting by 64 would be undefined.
  if (prefix >= 128) return {0, 0};
  if (prefix >= 64) return {0, UINT64_MAX >> (prefix - 64)};
  return {UINT64_MAX >> prefix, UINT64_MAX};
}

/** Whether `next` begins behind `last` with at least one address between them. */
bool IsApart(const IpAddress& last, const IpAddress& next) {
  IpAddress behind{last.high, last.low + 1};
  if (behind.low == 0) behind.high++;
  // The last address of all has none behind it.
  return behind != IpAddress{} && next > behind;
}

}  // namespace

IpAddress IpAddress::Read(const uint8_t* bytes, size_t size) {
  IpAddress address;
  if (size != 4 && size != 16) return address;
  for (size_t i = 0; i < size; i++) {
    uint64_t& half = i < 8 ? address.high : address.low;
    half |= uint64_t{bytes[i]} << (56 - 8 * (i % 8));
  }
  return address;
}

bool Networks::Add(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string name = text.substr(0, slash);
  uint8_t bytes[16];
  const bool v4 = inet_pton(AF_INET, name.c_str(), bytes) == 1;
  if (!v4 && inet_pton(AF_INET6, name.c_str(), bytes) != 1) return false;
  const unsigned all = v4 ? 32 : 128;
  unsigned prefix = all;
  if (slash != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + slash + 1, end, prefix);
    if (error != std::errc() || at != end || prefix > all) return false;
  }
  const IpAddress address = IpAddress::Read(bytes, all / 8);
  // The 96 bits that IPv4 does not have count as host bits, since they are 0 in every address.
  const IpAddress host = HostBits(prefix);
  (v4 ? v4_ : v6_)
      .push_back({{address.high & ~host.high, address.low & ~host.low},
                  {address.high | host.high, address.low | host.low}});
  return true;
}

void Networks::Merge() {
  MergeAll(v4_);
  MergeAll(v6_);
}

void Networks::MergeAll(Ranges& ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  size_t kept = 0;
  for (const Range& range : ranges) {
    if (kept == 0 || IsApart(ranges[kept - 1].last, range.first)) {
      ranges[kept++] = range;
    } else {
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
    }
  }
  ranges.resize(kept);
}

bool Networks::Contain(uint8_t family, const IpAddress& address) const {
  const Ranges& ranges = family == AF_INET6 ? v6_ : v4_;
  const auto above =
      std::upper_bound(ranges.begin(), ranges.end(), address,
                       [](const IpAddress& one, const Range& range) { return one < range.first; });
  return above != ranges.begin() && address <= std::prev(above)->last;
}

}  // namespace wanmark
