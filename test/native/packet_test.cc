// Tests NFQNL_MSG_PACKET messages: attributes, cuts, noise.
#include "queue/packet.h"

#include <netinet/in.h>

#include <algorithm>
#include <memory>
#include <random>

#include "check.h"
#include "fuzz.h"
#include "packets.h"

using namespace wanmark;

namespace {

struct Parsed {
  bool ok;
  Packet packet;
  // packet.bytes points into this. new[] aligns it, and it ends where the message does.
  std::unique_ptr<uint8_t[]> memory;
};

Parsed Parse(const Bytes& message, size_t size) {
  Parsed parsed{false, {}, std::make_unique<uint8_t[]>(size)};
  std::copy_n(message.data(), size, parsed.memory.get());
  parsed.ok = ParsePacket(parsed.memory.get(), size, parsed.packet);
  return parsed;
}

void TestAttributes() {
  const Bytes ip = Ipv4(IPPROTO_UDP, Ports());
  const auto [ok, packet, memory] = [&] {
    const Bytes message = PacketMessage(0x01020304, ip, 0xdeadbe00, AF_INET, 7, 9, 5028);
    return Parse(message, message.size());
  }();
  CHECK(ok);
  CHECK_EQUAL(packet.id, 0x01020304);
  CHECK_EQUAL(packet.old_mark, 0xdeadbe00);
  CHECK_EQUAL(packet.in_ifindex, 7);
  CHECK_EQUAL(packet.out_ifindex, 9);
  CHECK_EQUAL(packet.length, 5028);
  CHECK_EQUAL(packet.copied, ip.size());
  CHECK(std::memcmp(packet.bytes, ip.data(), ip.size()) == 0);
  CHECK_EQUAL(packet.flow.dport, 53);
}

void TestDefaults() {
  const Bytes ip = Ipv6(IPPROTO_TCP, Ports());
  const Bytes message = PacketMessage(5, ip, 0, AF_INET6, 0, 0);
  const Parsed parsed = Parse(message, message.size());
  CHECK(parsed.ok);
  CHECK_EQUAL(parsed.packet.old_mark, 0);
  CHECK_EQUAL(parsed.packet.in_ifindex, 0);
  CHECK_EQUAL(parsed.packet.length, ip.size());
  CHECK_EQUAL(parsed.packet.mac, 0);
  CHECK_EQUAL(parsed.packet.flow.family, 6);
}

void TestMac() {
  const Bytes ip = Ipv4(IPPROTO_UDP, Ports());
  const auto mac = [&](uint16_t length) {
    const Bytes message = PacketMessage(5, ip, 0, AF_INET, 3, 0, 0, length);
    return Parse(message, message.size()).packet.mac;
  };
  CHECK_EQUAL(mac(6), 0xfe0102030405);
  CHECK_EQUAL(mac(8), 0);
}

/** A packet that came over a bridge has family 7. Its own header says what it is. */
void TestBridge() {
  Bytes message = PacketMessage(5, Ipv4(IPPROTO_TCP, Ports()), 0, 7);
  CHECK_EQUAL(Parse(message, message.size()).packet.flow.family, 4);
}

/** A message that is cut at any length either still has its id or is refused. The id is never a wrong one. */
void TestTruncations() {
  const Bytes message = PacketMessage(77, Ipv4(IPPROTO_UDP, Ports()), 1);
  constexpr size_t kIdEnds = 16 + 4 + 4 + 7;
  for (size_t size = 0; size < message.size(); size++) {
    const Parsed parsed = Parse(message, size);
    CHECK_EQUAL(parsed.ok, size >= kIdEnds);
    if (parsed.ok) CHECK_EQUAL(parsed.packet.id, 77);
  }
}

void TestFuzz() {
  const Bytes seed = PacketMessage(77, Ipv4(IPPROTO_UDP, Ports()), 1, AF_INET, 3, 4, 1500);
  Fuzz("packets", [&seed](std::mt19937& random) {
    Bytes message = seed;
    for (uint32_t changes = 1 + random() % 8; changes > 0; changes--) {
      message[random() % message.size()] = static_cast<uint8_t>(random());
    }
    const size_t size = random() % (message.size() + 1);
    const Parsed parsed = Parse(message, size);
    const Packet& packet = parsed.packet;
    CHECK(packet.copied <= size);
    if (packet.copied == 0) return;
    CHECK(packet.bytes >= parsed.memory.get() && packet.bytes + packet.copied <= parsed.memory.get() + size);
  });
}

}  // namespace

int main() {
  TestAttributes();
  TestDefaults();
  TestMac();
  TestBridge();
  TestTruncations();
  TestFuzz();
}
