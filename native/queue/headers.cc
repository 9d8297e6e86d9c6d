#include "queue/headers.h"

#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <cstring>

namespace wanmark {

namespace {

constexpr size_t kIpv4MinBytes = 20;
constexpr size_t kIpv6Bytes = 40;
// The most extension headers that are followed. A longer chain fills all that the kernel copies to us; RFC
// 8200 knows a use for seven.
constexpr int kMaxExtensionHeaders = 16;

uint16_t Read16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

bool HasPorts(uint8_t proto) {
  return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP ||
         proto == IPPROTO_DCCP;
}

/**
 * Whether conntrack tells messages of this ICMP type apart by their identifier (icmp_pkt_to_tuple and its
 * IPv6 twin).
 */
bool HasIdentifier(uint8_t proto, uint8_t type) {
  if (proto == IPPROTO_ICMPV6) return type == 128 || type == 129;
  switch (type) {
    case ICMP_ECHO:
    case ICMP_ECHOREPLY:
    case ICMP_TIMESTAMP:
    case ICMP_TIMESTAMPREPLY:
    case ICMP_INFO_REQUEST:
    case ICMP_INFO_REPLY:
    case ICMP_ADDRESS:
    case ICMP_ADDRESSREPLY:
      return true;
    default:
      return false;
  }
}

void ParseUpperLayer(const uint8_t* data, size_t size, FlowKey& key) {
  if (HasPorts(key.proto)) {
    if (size < 4) {
      key.flags |= kFlagTruncated;
      return;
    }
    key.sport = Read16(data);
    key.dport = Read16(data + 2);
    return;
  }
  const int icmp = key.family == 4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  if (key.proto != icmp) return;
  if (size < 2 || (HasIdentifier(key.proto, data[0]) && size < 6)) {
    key.flags |= kFlagTruncated;
    return;
  }
  if (HasIdentifier(key.proto, data[0])) key.sport = Read16(data + 4);
  key.dport = Read16(data);
}

void ParseIpv4(const uint8_t* data, size_t size, FlowKey& key) {
  const size_t header = (data[0] & 0x0f) * size_t{4};
  if (header < kIpv4MinBytes) return;
  key.family = 4;
  key.proto = data[9];
  std::memcpy(key.src, data + 12, 4);
  std::memcpy(key.dst, data + 16, 4);
  if (Read16(data + 6) & 0x1fff) {
    key.flags |= kFlagFragment;
    return;
  }
  // Bytes after the total length are link-layer padding. Packets above 64 KiB (BIG TCP) have length 0.
  const size_t total = Read16(data + 2);
  if (total >= header && total < size) size = total;
  if (header > size) {
    key.flags |= kFlagTruncated;
    return;
  }
  ParseUpperLayer(data + header, size - header, key);
}

void ParseIpv6(const uint8_t* data, size_t size, FlowKey& key) {
  key.family = 6;
  std::memcpy(key.src, data + 8, 16);
  std::memcpy(key.dst, data + 24, 16);
  key.proto = data[6];
  size_t at = kIpv6Bytes;
  // The headers skipped here are those that the kernel skips (ipv6_ext_hdr). Lengths are by RFC 8200 and, for
  // AH, by RFC 4302.
  for (int headers = 0; headers < kMaxExtensionHeaders; headers++) {
    if (key.proto != IPPROTO_HOPOPTS && key.proto != IPPROTO_ROUTING && key.proto != IPPROTO_DSTOPTS &&
        key.proto != IPPROTO_FRAGMENT && key.proto != IPPROTO_AH) {
      ParseUpperLayer(data + at, size - at, key);
      return;
    }
    if (size - at < 8) break;
    const uint8_t* header = data + at;
    const uint8_t current = key.proto;
    size_t length = (header[1] + size_t{1}) * 8;
    if (current == IPPROTO_AH) length = (header[1] + size_t{2}) * 4;
    if (current == IPPROTO_FRAGMENT) length = 8;
    key.proto = header[0];
    if (current == IPPROTO_FRAGMENT && (Read16(header + 2) & 0xfff8)) {
      key.flags |= kFlagFragment;
      return;
    }
    if (length > size - at) break;
    at += length;
  }
  key.flags |= kFlagTruncated;
}

}  // namespace

FlowKey ParseHeaders(const uint8_t* data, size_t size, int family) {
  FlowKey key;
  const size_t minimum = family == 6 ? kIpv6Bytes : kIpv4MinBytes;
  if ((family != 4 && family != 6) || size < minimum || data[0] >> 4 != family) return key;
  if (family == 4) {
    ParseIpv4(data, size, key);
  } else {
    ParseIpv6(data, size, key);
  }
  return key;
}

}  // namespace wanmark
