#include "conntrack/entry.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>

#include "base/netlink.h"

namespace wanmark {

namespace {

// This is bit 12 of the status, which user space's headers leave out (enum ip_conntrack_status).
constexpr uint32_t kNatClash = 1 << 12;

void ReadBe32(const nlattr* attribute, uint32_t& value) {
  if (AttributeBytes(attribute) >= sizeof(uint32_t)) value = ntohl(AttributeValue<uint32_t>(attribute));
}

void ReadBe16(const nlattr* attribute, uint16_t& value) {
  if (AttributeBytes(attribute) >= sizeof(uint16_t)) value = ntohs(AttributeValue<uint16_t>(attribute));
}

void ReadU8(const nlattr* attribute, uint8_t& value) {
  if (AttributeBytes(attribute) >= 1) value = AttributeValue<uint8_t>(attribute);
}

void ReadTcp(const nlattr* parent, CtEntry& entry) {
  ForEachNested(parent, [&](const nlattr* attribute) {
    uint8_t flags = 0;
    switch (AttributeType(attribute)) {
      case CTA_PROTOINFO_TCP_STATE:
        ReadU8(attribute, entry.tcp_state);
        break;
      case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
      case CTA_PROTOINFO_TCP_FLAGS_REPLY:
        // The value is a struct nf_ct_tcp_flags: the flags, then a mask.
        ReadU8(attribute, flags);
        entry.tcp_flags |= flags;
        break;
    }
  });
}

void ReadAddresses(const nlattr* parent, CtEntry& entry) {
  ForEachNested(parent, [&](const nlattr* attribute) {
    const auto* bytes = AttributeData(attribute);
    const IpAddress address = IpAddress::Read(bytes, AttributeBytes(attribute));
    switch (AttributeType(attribute)) {
      case CTA_IP_V4_SRC:
      case CTA_IP_V6_SRC:
        entry.src = address;
        break;
      case CTA_IP_V4_DST:
      case CTA_IP_V6_DST:
        entry.dst = address;
        break;
    }
  });
}

void ReadProto(const nlattr* parent, CtEntry& entry) {
  uint8_t type = 0;
  uint8_t code = 0;
  bool is_icmp = false;
  ForEachNested(parent, [&](const nlattr* attribute) {
    switch (AttributeType(attribute)) {
      case CTA_PROTO_NUM:
        ReadU8(attribute, entry.proto);
        break;
      case CTA_PROTO_SRC_PORT:
      case CTA_PROTO_ICMP_ID:
      case CTA_PROTO_ICMPV6_ID:
        ReadBe16(attribute, entry.sport);
        break;
      case CTA_PROTO_DST_PORT:
        ReadBe16(attribute, entry.dport);
        break;
      case CTA_PROTO_ICMP_TYPE:
      case CTA_PROTO_ICMPV6_TYPE:
        is_icmp = true;
        ReadU8(attribute, type);
        break;
      case CTA_PROTO_ICMP_CODE:
      case CTA_PROTO_ICMPV6_CODE:
        ReadU8(attribute, code);
        break;
    }
  });
  if (is_icmp) entry.dport = static_cast<uint16_t>(type << 8 | code);
}

void ReadTuple(const nlattr* parent, CtEntry& entry) {
  ForEachNested(parent, [&](const nlattr* attribute) {
    switch (AttributeType(attribute)) {
      case CTA_TUPLE_IP:
        ReadAddresses(attribute, entry);
        break;
      case CTA_TUPLE_PROTO:
        ReadProto(attribute, entry);
        break;
    }
  });
}

}  // namespace

bool CtEntry::is_clash() const { return status & kNatClash; }

bool CtEntry::is_tcp() const { return proto == IPPROTO_TCP; }

bool CtEntry::is_live() const {
  // SYN_SENT2, which is a simultaneous open, has a higher number than CLOSE.
  return !is_tcp() || tcp_state <= TCP_CONNTRACK_ESTABLISHED || tcp_state == TCP_CONNTRACK_SYN_SENT2;
}

bool CtEntry::is_established() const { return is_tcp() && tcp_state == TCP_CONNTRACK_ESTABLISHED; }

bool CtEntry::is_reset() const {
  return tcp_state == TCP_CONNTRACK_CLOSE && !(tcp_flags & IP_CT_TCP_FLAG_CLOSE_INIT);
}

bool ParseCtEntry(std::span<const uint8_t> message, const SipKey& key, CtEntry& entry) {
  constexpr size_t kAttributesAt = AttributesAt(sizeof(nfgenmsg));
  entry = CtEntry{};
  if (message.size() < kAttributesAt) return false;
  const size_t size =
      std::min<size_t>(message.size(), reinterpret_cast<const nlmsghdr*>(message.data())->nlmsg_len);
  if (size < kAttributesAt) return false;

  const nlattr* tuple = nullptr;
  uint32_t id = 0;
  ForEachAttribute(message.data() + kAttributesAt, size - kAttributesAt, [&](const nlattr* attribute) {
    switch (AttributeType(attribute)) {
      case CTA_TUPLE_ORIG:
        tuple = attribute;
        break;
      case CTA_STATUS:
        ReadBe32(attribute, entry.status);
        break;
      case CTA_MARK:
        ReadBe32(attribute, entry.mark);
        break;
      case CTA_TIMEOUT:
        ReadBe32(attribute, entry.timeout);
        break;
      case CTA_ID:
        ReadBe32(attribute, id);
        break;
      case CTA_PROTOINFO:
        ForEachNested(attribute, [&](const nlattr* inner) {
          if (AttributeType(inner) == CTA_PROTOINFO_TCP) ReadTcp(inner, entry);
        });
        break;
    }
  });
  if (!tuple) return false;
  entry.family = MessageBody<nfgenmsg>(reinterpret_cast<const nlmsghdr*>(message.data()))->nfgen_family;
  ReadTuple(tuple, entry);
  const SipKey keyed{key.k0 ^ id, key.k1};
  entry.key = SipHash24(keyed, AttributeData(tuple), AttributeBytes(tuple)) >> 16;
  return true;
}

}  // namespace wanmark
