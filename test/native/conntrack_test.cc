// Tests the reading of what ctnetlink sends, cut at every length, and the bookkeeping of counts. There is no
// kernel and no thread in it.
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>

#include "check.h"
#include "conntrack/entry.h"
#include "conntrack/exclusion.h"
#include "conntrack/messages.h"
#include "conntrack/networks.h"
#include "conntrack/pace.h"
#include "conntrack/tally.h"
#include "fuzz.h"
#include "packets.h"

using namespace wanmark;

namespace {

constexpr SipKey kKey{1, 2};
constexpr uint32_t kClash = 1 << 12;

Bytes Be32(uint32_t value) {
  return {static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16),
          static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}

Bytes Attribute(uint16_t type, Bytes payload) {
  const auto size = static_cast<uint8_t>(payload.size() + 4);
  payload.resize((payload.size() + 3) & ~size_t{3});
  return Bytes{size, 0, static_cast<uint8_t>(type), static_cast<uint8_t>(type >> 8)} + payload;
}

Bytes Nested(uint16_t type, const Bytes& payload) { return Attribute(type | NLA_F_NESTED, payload); }

struct Fields {
  uint8_t proto = IPPROTO_TCP;
  Bytes src = {10, 0, 0, 1};
  Bytes dst = {192, 0, 2, 7};
  uint16_t sport = 1000;
  uint32_t id = 7;
  uint32_t mark = 1;
  uint32_t status = 8;
  uint32_t timeout = 600;
  int state = TCP_CONNTRACK_ESTABLISHED;
  uint8_t flags = 0;
};

/** The attributes are in the kernel's order: tuples, status, mark, ... */
Bytes Message(const Fields& fields) {
  const Bytes port = {static_cast<uint8_t>(fields.sport >> 8), static_cast<uint8_t>(fields.sport)};
  const bool ipv6 = fields.src.size() == 16;
  const Bytes tuple =
      Nested(CTA_TUPLE_IP, Attribute(ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, fields.src) +
                               Attribute(ipv6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, fields.dst)) +
      Nested(CTA_TUPLE_PROTO, Attribute(CTA_PROTO_NUM, {fields.proto}) + Attribute(CTA_PROTO_SRC_PORT, port) +
                                  Attribute(CTA_PROTO_DST_PORT, {0, 80}));
  Bytes attributes = Nested(CTA_TUPLE_ORIG, tuple) + Nested(CTA_TUPLE_REPLY, tuple) +
                     Attribute(CTA_STATUS, Be32(fields.status)) + Attribute(CTA_ID, Be32(fields.id));
  if (fields.proto == IPPROTO_TCP && fields.state >= 0) {
    attributes =
        attributes + Nested(CTA_PROTOINFO,
                            Nested(CTA_PROTOINFO_TCP,
                                   Attribute(CTA_PROTOINFO_TCP_STATE, {static_cast<uint8_t>(fields.state)}) +
                                       Attribute(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, {fields.flags, 0})));
  }
  attributes = attributes + Attribute(CTA_TIMEOUT, Be32(fields.timeout));
  if (fields.mark) attributes = attributes + Attribute(CTA_MARK, Be32(fields.mark));
  Bytes message(20);
  message[16] = ipv6 ? AF_INET6 : AF_INET;
  message = message + attributes;
  auto* header = reinterpret_cast<nlmsghdr*>(message.data());
  header->nlmsg_len = static_cast<uint32_t>(message.size());
  header->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
  return message;
}

CtEntry Entry(const Fields& fields) {
  CtEntry entry;
  CHECK(ParseCtEntry(Message(fields), kKey, entry));
  return entry;
}

CtEntry Udp(uint16_t sport, uint32_t mark = 1) {
  return Entry({.proto = IPPROTO_UDP, .sport = sport, .mark = mark});
}

CtEntry Tcp(uint16_t sport, int state, uint8_t flags = 0) {
  return Entry({.sport = sport, .state = state, .flags = flags});
}

IpAddress Ip(const Bytes& bytes) { return IpAddress::Read(bytes.data(), bytes.size()); }

/** 2001:db8:AB::END */
Bytes V6(uint8_t ab, uint8_t end) { return {0x20, 0x01, 0x0d, 0xb8, 0, ab, 0, 0, 0, 0, 0, 0, 0, 0, 0, end}; }

void TestParse() {
  const CtEntry entry = Entry({.mark = 0xdeadbe01, .status = 0x1008, .flags = 4});
  CHECK_EQUAL(entry.mark, 0xdeadbe01);
  CHECK_EQUAL(entry.status, 0x1008);
  CHECK_EQUAL(entry.timeout, 600);
  CHECK_EQUAL(entry.proto, IPPROTO_TCP);
  CHECK_EQUAL(entry.family, AF_INET);
  CHECK(entry.src == Ip({10, 0, 0, 1}));
  CHECK(entry.dst == Ip({192, 0, 2, 7}));
  CHECK_EQUAL(entry.sport, 1000);
  CHECK_EQUAL(entry.tcp_state, TCP_CONNTRACK_ESTABLISHED);
  CHECK_EQUAL(entry.tcp_flags, 4);
  CHECK(entry.is_clash());
  CHECK(entry.key < uint64_t{1} << 48);

  // The key is that of the connection. The tuple and the id are part of it, the mark and the state are not.
  CHECK(entry.key == Entry({.mark = 2, .state = TCP_CONNTRACK_CLOSE}).key);
  CHECK(entry.key != Entry({.sport = 1001}).key);
  CHECK(entry.key != Entry({.id = 8}).key);
  CHECK(entry.key != Entry({.proto = IPPROTO_UDP}).key);
}

void TestTruncated() {
  const Bytes whole = Message({});
  for (size_t size = 0; size <= whole.size(); size++) {
    // The message is copied, so that the sanitizer sees a read of one byte too far.
    const Bytes part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    CtEntry entry;
    ParseCtEntry(part, kKey, entry);
  }
  // Each byte is wrong in turn. The lengths of attributes matter most.
  for (size_t i = 0; i < whole.size(); i++) {
    for (const uint8_t wrong : {0x00, 0x03, 0xff}) {
      Bytes part = whole;
      part[i] = wrong;
      CtEntry entry;
      ParseCtEntry(part, kKey, entry);
    }
  }
  CtEntry entry;
  CHECK(!ParseCtEntry({}, kKey, entry));
}

/** Good messages with some bytes changed, cut anywhere, and noise behind a header. */
void TestFuzz() {
  const Bytes seeds[] = {Message({}), Message({.proto = IPPROTO_UDP, .mark = 0xdeadbe01}),
                         Message({.src = V6(1, 2), .dst = V6(3, 4)}), Message({.proto = IPPROTO_ICMP})};
  Fuzz("conntrack messages", [&seeds](std::mt19937& random) {
    Bytes message = seeds[random() % std::size(seeds)];
    if (random() % 4 == 0) {
      message.resize(20 + random() % 256);
      for (size_t i = 20; i < message.size(); i++) message[i] = static_cast<uint8_t>(random());
    }
    for (uint32_t changes = random() % 8; changes > 0; changes--) {
      message[random() % message.size()] = static_cast<uint8_t>(random());
    }
    // The block ends where the message does, so that the sanitizer sees a read behind it.
    const size_t size = random() % (message.size() + 1);
    const std::unique_ptr<uint8_t[]> copy(new uint8_t[size]);
    std::memcpy(copy.get(), message.data(), size);
    CtEntry entry;
    if (!ParseCtEntry({copy.get(), size}, kKey, entry)) return;
    CHECK(entry.key < uint64_t{1} << 48);
    // Asking about anything that was read must be safe.
    CHECK(!entry.is_established() || entry.is_live());
    entry.is_clash();
    entry.is_reset();
  });
}

void TestStates() {
  for (int state = TCP_CONNTRACK_NONE; state <= TCP_CONNTRACK_SYN_SENT2; state++) {
    const bool live = state <= TCP_CONNTRACK_ESTABLISHED || state == TCP_CONNTRACK_SYN_SENT2;
    CHECK_EQUAL(Tcp(1, state).is_live(), live);
    CHECK_EQUAL(Tcp(1, state).is_established(), state == TCP_CONNTRACK_ESTABLISHED);
  }
  CHECK(Udp(1).is_live());
  CHECK(!Udp(1).is_established());
  CHECK(Tcp(1, TCP_CONNTRACK_CLOSE).is_reset());
  CHECK(!Tcp(1, TCP_CONNTRACK_CLOSE, IP_CT_TCP_FLAG_CLOSE_INIT).is_reset());
  CHECK(!Tcp(1, TCP_CONNTRACK_FIN_WAIT).is_reset());
}

void CheckBytes(const nlmsghdr* message, const Bytes& expected) {
  CHECK_EQUAL(message->nlmsg_len, expected.size());
  CHECK(std::memcmp(message, expected.data(), expected.size()) == 0);
}

// Netlink headers are in host order. These bytes are those of a little-endian machine.
void TestMessages() {
  alignas(nlmsghdr) uint8_t buffer[kCtMessageBytes];
  const Bytes mark = {8, 0, 8, 0, 0, 0, 2, 0}, mask = {8, 0, 21, 0, 0, 0, 0xff, 0};
  // The flag DUMP is 0x300. Family 0 means both.
  CheckBytes(BuildCtDump(buffer, 0, 0), {20, 0, 0, 0, 1, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CheckBytes(BuildCtDump(buffer, 0xab0200, 0xff00),
             Bytes{36, 0, 0, 0, 1, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} + mark + mask);
  // The flags are REQUEST and ACK, and the version is 0.
  CheckBytes(BuildCtFlush(buffer, 0x200, 0xff00),
             Bytes{36, 0, 0, 0, 2, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} + mark + mask);
  CHECK(BuildCtFlush(buffer, 1, 0) == nullptr);
  // The version is 1, because the family would be ignored otherwise, and both flushed.
  CheckBytes(BuildCtFlush(buffer, 0x200, 0xff00, AF_INET6),
             Bytes{36, 0, 0, 0, 2, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 1, 0, 0} + mark + mask);
  // This message of a dump has a tuple, a mark, an id and a zone. Its deletion has the tuple, the id and the
  // zone, and no ACK.
  const Bytes tuple_told = {8, 0, 1, 0x80, 1, 2, 3, 4}, id = {8, 0, 12, 0, 0, 0, 0, 9},
              zone = {6, 0, 18, 0, 0, 7, 0, 0};
  Bytes told =
      Bytes{52, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0} + tuple_told + mark + id + zone;
  CheckBytes(BuildCtDelete(buffer, reinterpret_cast<const nlmsghdr*>(told.data())),
             Bytes{44, 0, 0, 0, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0} + tuple_told + id + zone);
  told = Bytes{28, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0} + id;
  CHECK(BuildCtDelete(buffer, reinterpret_cast<const nlmsghdr*>(told.data())) == nullptr);
  CtTuple tuple;
  tuple.family = AF_INET6;
  CHECK(BuildCtGet(buffer, tuple)->nlmsg_len <= kCtMessageBytes);
}

void TestSet() {
  CtSet set;
  // Keys that share their low bits lie in one run of slots, which goes over the end of the table.
  const auto key = [](uint64_t i) { return (i << 20) | (i % 3 ? 0x3fe : 0x3ff); };
  for (uint64_t i = 0; i < 300; i++) CHECK(set.Insert(key(i), static_cast<uint16_t>(i + 1)));
  CHECK(!set.Insert(key(5), 9));
  for (uint64_t i = 0; i < 300; i += 2) CHECK_EQUAL(set.Erase(key(i)), i + 1);
  for (uint64_t i = 0; i < 300; i++) CHECK_EQUAL(set.Find(key(i)), i % 2 ? i + 1 : 0);
  CHECK_EQUAL(set.Erase(key(0)), 0);
  CHECK_EQUAL(set.size(), 150);
  for (uint64_t i = 0; i < 100'000; i++) set.Insert(0x100000000 + i * 977, 3);
  for (uint64_t i = 1; i < 300; i += 2) CHECK_EQUAL(set.Find(key(i)), i + 1);
  set.Clear();
  CHECK_EQUAL(set.size(), 0);
  CHECK_EQUAL(set.Find(key(1)), 0);
}

void TestNetworks() {
  Networks networks;
  // These lie inside one another, touch, or are the same; the last two are the ends of all addresses.
  for (const char* text : {"10.0.0.0/8", "10.1.2.3", "192.168.1.9/24", "192.168.0.0/24", "192.168.1.0/25",
                           "192.168.1.0/25", "203.0.113.7", "0.0.0.0", "255.255.255.255/32"}) {
    CHECK(networks.Add(text));
  }
  for (const char* text : {"2001:db8:1::/48", "2001:db8:3::1", "::", "ff00::/8"}) CHECK(networks.Add(text));
  for (const char* text : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1", "::/129", "lan0"}) {
    CHECK(!networks.Add(text));
  }
  networks.Merge();
  CHECK_EQUAL(networks.ranges(), 5 + 4);
  const auto v4 = [&](const Bytes& bytes) { return networks.Contain(AF_INET, Ip(bytes)); };
  const auto v6 = [&](const Bytes& bytes) { return networks.Contain(AF_INET6, Ip(bytes)); };
  for (const Bytes& in : {Bytes{10, 0, 0, 0},
                          {10, 255, 255, 255},
                          {192, 168, 0, 0},
                          {192, 168, 1, 255},
                          {203, 0, 113, 7},
                          {0, 0, 0, 0},
                          {255, 255, 255, 255}}) {
    CHECK(v4(in));
  }
  for (const Bytes& out : {Bytes{9, 255, 255, 255},
                           {11, 0, 0, 0},
                           {192, 167, 255, 255},
                           {192, 168, 2, 0},
                           {203, 0, 113, 6},
                           {203, 0, 113, 8},
                           {0, 0, 0, 1},
                           {255, 255, 255, 254}}) {
    CHECK(!v4(out));
  }
  CHECK(v6(V6(1, 0)) && v6(V6(1, 255)) && v6(V6(3, 1)) && v6(Bytes(16)) && v6(Bytes(16, 0xff)));
  CHECK(!v6(V6(0, 255)) && !v6(V6(2, 0)) && !v6(V6(3, 0)) && !v6(V6(3, 2)));
  // The families have nothing to do with one another.
  CHECK(!networks.Contain(AF_INET6, Ip({10, 0, 0, 1})));
  const Networks none;
  CHECK(!none.Contain(AF_INET, Ip({10, 0, 0, 1})));

  Networks all;
  CHECK(all.Add("::/0") && all.Add("ffff::/16") && all.Add("0.0.0.0/1") && all.Add("128.0.0.0/1"));
  all.Merge();
  CHECK_EQUAL(all.ranges(), 2);
  CHECK(all.Contain(AF_INET, Ip({255, 255, 255, 255})) && all.Contain(AF_INET6, Ip(V6(9, 9))));

  // Thousands of single addresses with gaps stay apart, and each is found.
  Networks many;
  for (int i = 0; i < 20'000; i += 2) {
    CHECK(many.Add("100.64." + std::to_string(i >> 8) + "." + std::to_string(i & 255)));
  }
  many.Merge();
  CHECK_EQUAL(many.ranges(), 10'000);
  for (int i = 0; i < 20'000; i++) {
    const Bytes address = {100, 64, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
    CHECK_EQUAL(many.Contain(AF_INET, Ip(address)), i % 2 == 0);
  }
}

/** A tally, with the test in the role of JS. */
struct Lab {
  explicit Lab(bool established = false) : tally({.mask = 0xff, .established = established}, memory) {}

  int Count(uint32_t number) { return static_cast<int>(memory.count(number) + memory.decided(number)); }
  void Decide(uint32_t number, int times = 1) { memory.decided(number) += static_cast<uint32_t>(times); }
  void Dump(std::initializer_list<CtEntry> entries) {
    tally.Cut();
    tally.BeginDump(0, 0);
    for (const CtEntry& entry : entries) tally.OnDumped(entry, 0);
    tally.EndDump();
  }

  CountMemory memory{16};
  CtTally tally;
};

void TestCounts() {
  Lab lab;
  CtEntry clash = Udp(9);
  clash.status |= kClash;
  lab.Dump({Udp(1), Udp(2, 0xab02), Udp(3, 0x100), Udp(4, 200), Tcp(5, TCP_CONNTRACK_SYN_SENT),
            Tcp(6, TCP_CONNTRACK_TIME_WAIT), clash});
  CHECK_EQUAL(lab.Count(1), 2);
  CHECK_EQUAL(lab.Count(2), 1);
  lab.tally.OnUpdate(clash);
  CHECK_EQUAL(lab.Count(1), 2);

  // A connection ends once: at its FIN or reset, and not again at its DESTROY two minutes later.
  lab.tally.OnUpdate(Tcp(5, TCP_CONNTRACK_FIN_WAIT));
  CHECK_EQUAL(lab.Count(1), 1);
  lab.tally.OnDestroy(Tcp(5, TCP_CONNTRACK_TIME_WAIT));
  lab.tally.OnDestroy(Tcp(6, TCP_CONNTRACK_TIME_WAIT));
  CHECK_EQUAL(lab.Count(1), 1);
  // What was never counted does not end. The kernel tells of entries that had expired before the dump.
  lab.tally.OnDestroy(Udp(77));
  lab.tally.OnDestroy(clash);
  CHECK_EQUAL(lab.Count(1), 1);
  // One change does not tell the state, and another one tells a different mark.
  lab.tally.OnUpdate(Tcp(50, -1));
  CHECK_EQUAL(lab.Count(1), 1);
  lab.tally.OnUpdate(Udp(1, 2));
  CHECK_EQUAL(lab.Count(1), 0);
  CHECK_EQUAL(lab.Count(2), 2);
}

void TestExclusion() {
  const Bytes router = {192, 0, 2, 7}, router6 = V6(1, 1), lan = {10, 0, 0, 1}, server = {203, 0, 113, 1};
  std::vector<uint8_t> ports(CtExclusion::kPortBytes);
  const auto exclusion = [&](std::initializer_list<const char*> to) {
    auto made = std::make_shared<CtExclusion>();
    for (const char* text : to) CHECK(made->to.Add(text));
    CHECK(made->self.Add("192.0.2.7") && made->self.Add("2001:db8:1::1"));
    made->to.Merge();
    made->self.Merge();
    made->probe_ports = ports.data();
    return made;
  };
  Lab lab;
  lab.tally.Exclude(exclusion({"192.0.2.0/24", "10.0.0.0/8", "2001:db8:1::/48"}));
  const auto entry = [](uint8_t proto, const Bytes& src, const Bytes& dst, uint16_t sport) {
    return Entry({.proto = proto, .src = src, .dst = dst, .sport = sport});
  };
  const auto count = [&](std::initializer_list<CtEntry> entries) {
    lab.Dump(entries);
    return lab.Count(1);
  };
  // What left counts: of the network behind the router, and of the router itself, such as a proxy's.
  CHECK_EQUAL(count({entry(IPPROTO_TCP, lan, server, 1), entry(IPPROTO_UDP, lan, server, 2),
                     entry(IPPROTO_ICMP, lan, server, 0), entry(IPPROTO_TCP, router, server, 3),
                     entry(IPPROTO_TCP, V6(1, 9), V6(9, 9), 4)}),
              5);
  // What came in does not: to the router, by a port-forward, or routed.
  CHECK_EQUAL(count({entry(IPPROTO_TCP, server, router, 1), entry(IPPROTO_UDP, server, {192, 0, 2, 99}, 2),
                     entry(IPPROTO_ICMP, server, router, 0), entry(IPPROTO_TCP, server, lan, 3),
                     entry(IPPROTO_TCP, V6(9, 9), V6(1, 9), 4)}),
              0);
  // Nor do the router's own pings.
  CHECK_EQUAL(count({entry(IPPROTO_ICMP, router, server, 0), entry(IPPROTO_ICMPV6, router6, V6(9, 9), 0)}),
              0);
  // Nor do its probes while they run. The ports are the same for others, whose connections count.
  ports[700] = 1;
  ports[65536 + 53] = 2;
  CHECK_EQUAL(count({entry(IPPROTO_TCP, router, server, 700), entry(IPPROTO_UDP, router, server, 53)}), 0);
  CHECK_EQUAL(count({entry(IPPROTO_UDP, router, server, 700), entry(IPPROTO_TCP, router, server, 53),
                     entry(IPPROTO_TCP, lan, server, 700), entry(IPPROTO_UDP, router, server, 65535)}),
              4);

  // Events of what is left out change nothing, and take no decision.
  lab.Dump({});
  lab.Decide(1, 3);
  lab.tally.OnUpdate(entry(IPPROTO_UDP, server, router, 1));
  lab.tally.OnUpdate(entry(IPPROTO_TCP, router, server, 700));
  for (const int state : {TCP_CONNTRACK_FIN_WAIT, TCP_CONNTRACK_CLOSE}) {
    lab.tally.OnUpdate(Entry({.src = server, .dst = router, .state = state}));
  }
  CHECK_EQUAL(lab.Count(1), 3);
  lab.tally.OnDestroy(entry(IPPROTO_UDP, server, router, 1));
  CHECK_EQUAL(lab.Count(1), 3);
  lab.tally.OnUpdate(entry(IPPROTO_TCP, lan, server, 9));
  CHECK_EQUAL(lab.Count(1), 3);
  CHECK_EQUAL(count({entry(IPPROTO_TCP, lan, server, 9)}), 1);

  // A new exclusion holds from the next dump on, both ways. What it leaves out has not ended unseen.
  const auto both = {entry(IPPROTO_UDP, lan, server, 1), entry(IPPROTO_UDP, server, router, 2)};
  CHECK_EQUAL(count(both), 1);
  const uint64_t missed = lab.tally.missed();
  lab.tally.Exclude(exclusion({"203.0.113.0/24"}));
  CHECK_EQUAL(lab.Count(1), 1);
  lab.tally.Expose(1);
  lab.Dump(both);
  CHECK_EQUAL(lab.Count(1), 1);
  lab.tally.Exclude(exclusion({"192.0.2.0/24", "203.0.113.0/24"}));
  lab.tally.Expose(2);
  CHECK_EQUAL(count(both), 0);
  lab.tally.Exclude(exclusion({}));
  CHECK_EQUAL(count(both), 2);
  lab.tally.Expose(3);
  CHECK_EQUAL(lab.Count(1), 2);
  CHECK_EQUAL(lab.tally.missed(), missed);
}

void TestEstablished() {
  Lab lab(true);
  lab.Dump({Udp(1), Tcp(2, TCP_CONNTRACK_SYN_RECV), Tcp(3, TCP_CONNTRACK_ESTABLISHED)});
  CHECK_EQUAL(lab.Count(1), 1);
  lab.tally.OnUpdate(Tcp(2, TCP_CONNTRACK_ESTABLISHED));
  CHECK_EQUAL(lab.Count(1), 2);
  lab.tally.OnUpdate(Tcp(3, TCP_CONNTRACK_CLOSE));
  CHECK_EQUAL(lab.Count(1), 1);
}

void TestDecisions() {
  Lab lab;
  lab.Dump({});
  lab.Decide(1, 4);
  CHECK_EQUAL(lab.Count(1), 4);
  CHECK(lab.tally.has_pending());
  // One is answered, one refused, one begins and ends unseen, one is seen by the dump. Each takes one
  // decision.
  lab.tally.OnUpdate(Tcp(1, TCP_CONNTRACK_SYN_RECV));
  CHECK_EQUAL(lab.Count(1), 4);
  lab.tally.OnUpdate(Tcp(2, TCP_CONNTRACK_CLOSE));
  CHECK_EQUAL(lab.Count(1), 3);
  lab.tally.OnUpdate(Tcp(3, TCP_CONNTRACK_FIN_WAIT));
  CHECK_EQUAL(lab.Count(1), 2);
  lab.Dump({Tcp(1, TCP_CONNTRACK_ESTABLISHED), Udp(4)});
  CHECK_EQUAL(lab.Count(1), 2);
  CHECK(!lab.tally.has_pending());
  // A packet that is dropped behind us leaves nothing pending.
  lab.Decide(1, 5);
  CHECK_EQUAL(lab.Count(1), 7);
  lab.Dump({Tcp(1, TCP_CONNTRACK_ESTABLISHED), Udp(4)});
  CHECK_EQUAL(lab.Count(1), 2);
  // Nobody decided this connection.
  lab.tally.OnUpdate(Tcp(9, TCP_CONNTRACK_SYN_RECV));
  CHECK_EQUAL(lab.Count(1), 3);
}

void TestDecisionsWhileDumping() {
  Lab lab;
  lab.Decide(1, 2);
  lab.tally.Cut();
  lab.Decide(1, 3);
  lab.tally.BeginDump(0, 0);
  lab.tally.OnDumped(Udp(1), 0);
  CHECK_EQUAL(lab.Count(1), 5);
  lab.tally.EndDump();
  // One of the two decisions before the cut was dropped. The three after it wait for the next dump.
  CHECK_EQUAL(lab.Count(1), 4);
  lab.Dump({Udp(1), Udp(2), Udp(3), Udp(4)});
  CHECK_EQUAL(lab.Count(1), 4);

  // The counters go over the end of 32 bits.
  lab.memory.decided(2) = 0xfffffffe;
  lab.Dump({});
  CHECK_EQUAL(lab.Count(2), 0);
  lab.Decide(2, 5);
  CHECK_EQUAL(lab.Count(2), 5);
  lab.Dump({Udp(1, 2), Udp(2, 2)});
  CHECK_EQUAL(lab.Count(2), 2);
}

void TestEventsWhileDumping() {
  Lab lab;
  lab.Dump({Udp(1), Udp(2)});
  lab.tally.Cut();
  lab.tally.BeginDump(0, 0);
  lab.tally.OnDumped(Udp(1), 0);
  // Two connections end: one that the dump has shown alive, and one that it is about to show alive.
  lab.tally.OnDestroy(Udp(1));
  lab.tally.OnDestroy(Udp(2));
  lab.tally.OnDumped(Udp(2), 0);
  // Two connections begin: one that the dump shows as well, and one that it does not.
  lab.tally.OnUpdate(Tcp(3, TCP_CONNTRACK_SYN_RECV));
  lab.tally.OnDumped(Tcp(3, TCP_CONNTRACK_SYN_RECV), 0);
  lab.tally.OnUpdate(Tcp(4, TCP_CONNTRACK_SYN_RECV));
  // The kernel may show an entry twice when its table grows.
  lab.tally.OnDumped(Tcp(3, TCP_CONNTRACK_SYN_RECV), 0);
  CHECK_EQUAL(lab.Count(1), 2);
  lab.tally.EndDump();
  CHECK_EQUAL(lab.Count(1), 2);
  lab.tally.OnDestroy(Tcp(3, TCP_CONNTRACK_SYN_RECV));
  lab.tally.OnDestroy(Tcp(4, TCP_CONNTRACK_SYN_RECV));
  CHECK_EQUAL(lab.Count(1), 0);

  // A dump that breaks off changes nothing.
  lab.Dump({Udp(1)});
  lab.tally.BeginDump(0, 0);
  lab.tally.AbandonDump();
  CHECK_EQUAL(lab.Count(1), 1);
}

void TestExpiry() {
  Lab lab;
  constexpr uint64_t kSecond = 1'000'000;
  lab.tally.Cut();
  lab.tally.BeginDump(0, 10 * kSecond);
  lab.tally.OnDumped(Entry({.proto = IPPROTO_UDP, .sport = 1, .timeout = 3}), 0);
  lab.tally.OnDumped(Entry({.proto = IPPROTO_UDP, .sport = 2, .timeout = 4}), 0);
  lab.tally.OnDumped(Entry({.proto = IPPROTO_UDP, .sport = 3, .timeout = 20}), 0);
  lab.tally.EndDump();
  lab.tally.Expire(3 * kSecond);
  CHECK_EQUAL(lab.Count(1), 3);
  lab.tally.Expire(3 * kSecond + 700'000);
  CHECK_EQUAL(lab.Count(1), 2);
  // The end is told after all, when the kernel collects the entry.
  lab.tally.OnDestroy(Udp(1));
  CHECK_EQUAL(lab.Count(1), 2);
  lab.tally.Expire(100 * kSecond);
  CHECK_EQUAL(lab.Count(1), 1);
  lab.Dump({Udp(2), Udp(3)});
  CHECK_EQUAL(lab.Count(1), 2);
}

void TestMissed() {
  Lab lab;
  const auto dump = [&](int from, int count) {
    lab.tally.Cut();
    lab.tally.BeginDump(0, 0);
    for (int i = 0; i < count; i++) lab.tally.OnDumped(Udp(static_cast<uint16_t>(from + i)), 0);
    lab.tally.EndDump();
  };
  dump(0, 400);
  // For each end that was told, one was missed.
  for (uint16_t i = 0; i < 100; i++) lab.tally.OnDestroy(Udp(i));
  lab.tally.Expose(lab.tally.ended());
  CHECK_EQUAL(lab.Count(1), 300);
  dump(200, 200);
  CHECK_EQUAL(lab.tally.missed(), 100);
  for (uint16_t i = 200; i < 250; i++) lab.tally.OnDestroy(Udp(i));
  CHECK_EQUAL(lab.Count(1), 150);
  lab.tally.Expose(lab.tally.ended());
  CHECK_EQUAL(lab.Count(1), 100);
  // The dump is the truth, whatever was presumed.
  dump(250, 150);
  CHECK_EQUAL(lab.Count(1), 150);
}

void TestPace() {
  CtPace pace(250'000);
  CHECK(pace.IsDue(1, 0));
  // A dump that takes 100 ms of CPU time makes 5 s from one beginning to the next.
  pace.Ended(1'000'000, 100'000, true);
  CHECK(!pace.IsDue(5'900'000, 0));
  CHECK(pace.IsDue(6'000'000, 0));
  pace.Ended(6'000'000, 100'000, true);
  // When something is unsettled and all is quiet for half a second, one dump comes early, and the next is due
  // later by as much.
  CHECK(!pace.IsDue(7'000'000, 6'900'000));
  CHECK(pace.IsDue(7'400'000, 6'900'000));
  pace.Ended(7'400'000, 100'000, true);
  CHECK(!pace.IsDue(15'000'000, 14'000'000));
  CHECK(pace.IsDue(16'000'000, 0));
  // With a small table, dumps never come more often than the least interval, and less often while nothing
  // happens.
  pace.Ended(16'000'000, 100, true);
  CHECK_EQUAL(pace.due(), 16'250'000);
  for (int i = 0; i < 5; i++) pace.Ended(20'000'000, 100, false);
  CHECK_EQUAL(pace.due(), 21'000'000);
}

}  // namespace

int main() {
  TestParse();
  TestFuzz();
  TestTruncated();
  TestStates();
  TestMessages();
  TestSet();
  TestNetworks();
  TestCounts();
  TestExclusion();
  TestEstablished();
  TestDecisions();
  TestDecisionsWhileDumping();
  TestEventsWhileDumping();
  TestExpiry();
  TestMissed();
  TestPace();
}
