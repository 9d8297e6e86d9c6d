// Tests every kind of header: whole, cut at every length, and as noise.
#include "queue/headers.h"

#include <netinet/in.h>

#include <algorithm>
#include <memory>
#include <random>

#include "check.h"
#include "fuzz.h"
#include "packets.h"

using namespace wanmark;

namespace {

/** Parses a copy that ends where the heap block ends, so that ASan sees any read behind it. */
FlowKey Parse(const Bytes& packet, int family, size_t size) {
  const auto copy = std::make_unique<uint8_t[]>(size);
  std::copy_n(packet.data(), size, copy.get());
  return ParseHeaders(copy.get(), size, family);
}

FlowKey Parse(const Bytes& packet, int family) { return Parse(packet, family, packet.size()); }

void CheckPorts(const FlowKey& key, int family, uint8_t proto) {
  CHECK_EQUAL(key.family, family);
  CHECK_EQUAL(key.proto, proto);
  CHECK_EQUAL(key.flags, 0);
  CHECK_EQUAL(key.sport, 0x1234);
  CHECK_EQUAL(key.dport, 53);
}

/**
 * A packet that is cut anywhere before `enough` is truncated or nothing at all. From there on it reads like
 * the whole one.
 */
void CheckTruncations(const Bytes& packet, int family, size_t addresses, size_t enough) {
  const FlowKey whole = Parse(packet, family);
  for (size_t size = 0; size < packet.size(); size++) {
    const FlowKey cut = Parse(packet, family, size);
    if (size < addresses) {
      CHECK(cut == FlowKey{});
    } else if (size < enough) {
      CHECK_EQUAL(cut.family, family);
      CHECK_EQUAL(cut.flags, kFlagTruncated);
      CHECK_EQUAL(cut.sport, 0);
      CHECK_EQUAL(cut.dport, 0);
      CHECK(!cut.identifies_flow());
    } else {
      CHECK(cut == whole);
    }
  }
}

void TestPorts() {
  for (const uint8_t proto : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP}) {
    const FlowKey v4 = Parse(Ipv4(proto, Ports()), 4);
    CheckPorts(v4, 4, proto);
    const uint8_t src[16] = {10, 0, 0, 1}, dst[16] = {192, 0, 2, 7};
    CHECK(std::memcmp(v4.src, src, 16) == 0 && std::memcmp(v4.dst, dst, 16) == 0);
    CheckTruncations(Ipv4(proto, Ports()), 4, 20, 24);

    const FlowKey v6 = Parse(Ipv6(proto, Ports()), 6);
    CheckPorts(v6, 6, proto);
    CHECK(v6.src[0] == 0x20 && v6.src[15] == 1 && v6.dst[15] == 2);
    CheckTruncations(Ipv6(proto, Ports()), 6, 40, 44);
  }
}

void TestIpv4Options() {
  for (size_t words = 1; words <= 10; words++) {
    const Bytes packet = Ipv4(IPPROTO_TCP, Ports(), Bytes(words * 4, 1));
    CheckPorts(Parse(packet, 4), 4, IPPROTO_TCP);
    CheckTruncations(packet, 4, 20, 20 + words * 4 + 4);
  }
  Bytes short_header = Ipv4(IPPROTO_TCP, Ports());
  short_header[0] = 0x44;
  CHECK(Parse(short_header, 4) == FlowKey{});
}

void TestIpv4Length() {
  // Padding behind the total length is not part of the packet. Without it, these 22 bytes have no ports.
  Bytes padded = Ipv4(IPPROTO_UDP, {0x12, 0x34}) + Bytes(8, 0);
  CHECK_EQUAL(Parse(padded, 4).flags, kFlagTruncated);
  // BIG TCP leaves the length at 0.
  Bytes big = Ipv4(IPPROTO_TCP, Ports());
  big[2] = big[3] = 0;
  CheckPorts(Parse(big, 4), 4, IPPROTO_TCP);
}

void TestFragments() {
  constexpr uint16_t kMoreFragments = 0x2000;
  CheckPorts(Parse(Ipv4(IPPROTO_UDP, Ports(), {}, kMoreFragments), 4), 4, IPPROTO_UDP);
  for (const uint16_t field : {0x0001, 0x2001, 0x1fff}) {
    const FlowKey later = Parse(Ipv4(IPPROTO_UDP, Ports(), {}, field), 4);
    CHECK_EQUAL(later.flags, kFlagFragment);
    CHECK_EQUAL(later.proto, IPPROTO_UDP);
    CHECK(later.sport == 0 && later.dport == 0);
  }
  const Bytes first = {IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 9};
  CheckPorts(Parse(Ipv6(IPPROTO_FRAGMENT, first + Ports()), 6), 6, IPPROTO_UDP);
  const Bytes later = {IPPROTO_UDP, 0, 0, 8, 0, 0, 0, 9};
  const FlowKey key = Parse(Ipv6(IPPROTO_FRAGMENT, later + Ports()), 6);
  CHECK_EQUAL(key.flags, kFlagFragment);
  CHECK_EQUAL(key.proto, IPPROTO_UDP);
  CHECK(key.sport == 0 && key.dport == 0);
}

void TestIpv6Extensions() {
  const Bytes hop_by_hop = {IPPROTO_ROUTING, 0, 1, 4, 0, 0, 0, 0};
  const Bytes routing = Bytes{IPPROTO_DSTOPTS, 2, 4, 0} + Bytes(20, 0);
  const Bytes destination = {IPPROTO_AH, 0, 1, 4, 0, 0, 0, 0};
  const Bytes authentication = Bytes{IPPROTO_FRAGMENT, 4} + Bytes(22, 0);
  const Bytes fragment = {IPPROTO_TCP, 0, 0, 0, 0, 0, 0, 1};
  const Bytes chain = hop_by_hop + routing + destination + authentication + fragment;
  const Bytes packet = Ipv6(IPPROTO_HOPOPTS, chain + Ports());
  CheckPorts(Parse(packet, 6), 6, IPPROTO_TCP);
  CheckTruncations(packet, 6, 40, 40 + chain.size() + 4);

  CHECK_EQUAL(Parse(Ipv6(IPPROTO_NONE, {}), 6).proto, IPPROTO_NONE);
  // One chain of headers has no end, and another one points far behind the packet.
  Bytes endless;
  for (int i = 0; i < 40; i++) endless = endless + Bytes{IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0};
  CHECK_EQUAL(Parse(Ipv6(IPPROTO_DSTOPTS, endless), 6).flags, kFlagTruncated);
  CHECK_EQUAL(Parse(Ipv6(IPPROTO_DSTOPTS, Bytes{IPPROTO_TCP, 255} + Ports()), 6).flags, kFlagTruncated);
}

void TestIcmp() {
  const Bytes echo = {8, 0, 0xff, 0xff, 0xab, 0xcd, 0, 1};
  FlowKey key = Parse(Ipv4(IPPROTO_ICMP, echo), 4);
  CHECK_EQUAL(key.sport, 0xabcd);
  CHECK_EQUAL(key.dport, 8 << 8);
  CheckTruncations(Ipv4(IPPROTO_ICMP, echo), 4, 20, 26);

  const Bytes unreachable = {3, 1, 0, 0, 0xab, 0xcd, 0, 0};
  key = Parse(Ipv4(IPPROTO_ICMP, unreachable), 4);
  CHECK_EQUAL(key.sport, 0);
  CHECK_EQUAL(key.dport, 3 << 8 | 1);

  const Bytes echo6 = {128, 0, 0, 0, 0xab, 0xcd, 0, 1};
  key = Parse(Ipv6(IPPROTO_ICMPV6, echo6), 6);
  CHECK_EQUAL(key.sport, 0xabcd);
  CHECK_EQUAL(key.dport, 128 << 8);
  CheckTruncations(Ipv6(IPPROTO_ICMPV6, echo6), 6, 40, 46);

  // Either protocol is just a number inside the other family.
  CHECK_EQUAL(Parse(Ipv6(IPPROTO_ICMP, echo), 6).dport, 0);
  CHECK_EQUAL(Parse(Ipv4(IPPROTO_ICMPV6, echo6), 4).dport, 0);
}

void TestOthers() {
  const FlowKey gre = Parse(Ipv4(IPPROTO_GRE, Ports()), 4);
  CHECK_EQUAL(gre.proto, IPPROTO_GRE);
  CHECK(gre.sport == 0 && gre.dport == 0 && gre.flags == 0 && gre.identifies_flow());
  CHECK(Parse(Ipv4(IPPROTO_TCP, Ports()), 0) == FlowKey{});
  CHECK(Parse(Ipv4(IPPROTO_TCP, Bytes(40, 0)), 6) == FlowKey{});
  CHECK(Parse(Ipv6(IPPROTO_TCP, Ports()), 4) == FlowKey{});
  CHECK(ParseHeaders(nullptr, 0, 4) == FlowKey{});
}

/**
 * Parses noise, and good packets with some bytes changed. Nothing is read outside, and the fields make sense.
 */
void TestFuzz() {
  const Bytes seeds[] = {Ipv4(IPPROTO_TCP, Ports(), Bytes(8, 1)),
                         Ipv4(IPPROTO_ICMP, {8, 0, 0, 0, 1, 2, 3, 4}),
                         Ipv6(IPPROTO_HOPOPTS, Bytes{IPPROTO_FRAGMENT, 0, 1, 4, 0, 0, 0, 0} +
                                                   Bytes{IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 9} + Ports()),
                         Ipv6(IPPROTO_AH, Bytes{IPPROTO_TCP, 1} + Bytes(10, 0) + Ports())};
  Fuzz("headers", [&seeds](std::mt19937& random) {
    Bytes packet = seeds[random() % std::size(seeds)];
    if (random() % 4 == 0) {
      packet.resize(random() % 129);
      for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random());
    }
    for (uint32_t changes = random() % 6; changes > 0 && !packet.empty(); changes--) {
      packet[random() % packet.size()] = static_cast<uint8_t>(random());
    }
    const size_t size = packet.empty() ? 0 : random() % (packet.size() + 1);
    const int family = random() % 2 ? 4 : 6;
    const FlowKey key = Parse(packet, family, size);
    CHECK(key.family == 0 || key.family == family);
    CHECK(key.family != 0 || key == FlowKey{});
    CHECK(key.flags == 0 || (key.sport == 0 && key.dport == 0));
    CHECK(key.flags <= kFlagTruncated);
  });
}

}  // namespace

int main() {
  TestPorts();
  TestIpv4Options();
  TestIpv4Length();
  TestFragments();
  TestIpv6Extensions();
  TestIcmp();
  TestOthers();
  TestFuzz();
}
