// A set of networks that is asked once for each entry of the connection table. Networks that overlap or touch
// become one range, so an answer is a binary search and takes some 20 ns with thousands of them.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace wanmark {

/** An IPv4 or IPv6 address as a number. The first byte is the highest one, so IPv4 has its 32 bits at the
 * top. */
struct IpAddress {
  uint64_t high = 0;
  uint64_t low = 0;

  /** `bytes` are 4 or 16 bytes in network order. Any other size makes the address of zeros. */
  static IpAddress Read(const uint8_t* bytes, size_t size);

  auto operator<=>(const IpAddress&) const = default;
};

class Networks {
 public:
  /**
   * Adds `10.0.0.0/8`, `fd00::/8` or an address. Bits after the prefix are ignored. Returns false for
   * anything else.
   */
  bool Add(const std::string& text);
  /** To be called once after the last Add. */
  void Merge();
  /** Whether an address of `family`, AF_INET or AF_INET6, is in one of the networks. */
  bool Contain(uint8_t family, const IpAddress& address) const;
  /** How many ranges there are, of both families. */
  size_t ranges() const { return v4_.size() + v6_.size(); }

 private:
  struct Range {
    IpAddress first;
    IpAddress last;
  };
  using Ranges = std::vector<Range>;

  static void MergeAll(Ranges& ranges);

  Ranges v4_;
  Ranges v6_;
};

}  // namespace wanmark
