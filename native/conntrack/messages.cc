#include "conntrack/messages.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <bit>
#include <cstring>

#include "base/netlink.h"

namespace wanmark {

namespace {

nlmsghdr* PutHeader(void* buffer, uint8_t type, uint16_t flags, uint8_t family,
                    uint8_t version = NFNETLINK_V0) {
  nlmsghdr* message = StartMessage(buffer);
  message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  auto* header = AppendHeader<nfgenmsg>(message);
  header->nfgen_family = family;
  header->version = version;
  return message;
}

void PutMark(nlmsghdr* message, uint32_t mark, uint32_t mask) {
  PutValue(message, CTA_MARK, htonl(mark & mask));
  PutValue(message, CTA_MARK_MASK, htonl(mask));
}

/** Writes a classic BPF program. Offsets are those of linux/filter.h. */
class Program {
 public:
  void LoadByte(uint32_t at) { Add(BPF_LD | BPF_B | BPF_ABS, at); }
  void LoadImmediate(uint32_t value) { Add(BPF_LD | BPF_IMM, value); }
  void Return(bool pass) { Add(BPF_RET | BPF_K, pass ? UINT32_MAX : 0); }
  void And(uint32_t value) { Add(BPF_ALU | BPF_AND | BPF_K, value); }
  /** The next statement runs only when the accumulator equals (or does not equal) the value. */
  void IfEqual(uint32_t value) { Add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1); }
  void IfNotEqual(uint32_t value) { Add(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0); }

  /** Ends with false unless the message has a mark with bits under the mask. */
  void RequireMark(uint32_t mask) {
    LoadImmediate(AttributesAt(sizeof(nfgenmsg)));
    FindAttribute(CTA_MARK);
    IfEqual(0);
    Return(false);
    LoadValue(BPF_W);
    And(mask);
    IfEqual(0);
    Return(false);
  }

  /**
   * Moves the accumulator from an offset to that of the first attribute of `type` there; 0 when there is
   * none.
   */
  void FindAttribute(uint32_t type) {
    Add(BPF_LDX | BPF_IMM, type);
    LoadByte(static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_NLATTR));
  }
  /** Moves the accumulator from an attribute to one that is nested in it. */
  void FindNested(uint32_t type) {
    Add(BPF_LDX | BPF_IMM, type);
    LoadByte(static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_NLATTR_NEST));
  }
  /**
   * Replaces an attribute's offset in the accumulator by its value, read as BPF_W, a big-endian number, or as
   * BPF_B.
   */
  void LoadValue(uint16_t size) {
    Add(BPF_MISC | BPF_TAX, 0);
    Add(BPF_LD | size | BPF_IND, kAttributeHeaderBytes);
  }

  std::vector<sock_filter> statements;

 private:
  void Add(int code, uint32_t k, uint8_t if_true = 0, uint8_t if_false = 0) {
    statements.push_back({static_cast<uint16_t>(code), if_true, if_false, k});
  }
};

}  // namespace

nlmsghdr* BuildCtDump(void* buffer, uint32_t mark, uint32_t mask, uint8_t family) {
  nlmsghdr* message = PutHeader(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
  if (mask) PutMark(message, mark, mask);
  return message;
}

nlmsghdr* BuildCtFlush(void* buffer, uint32_t mark, uint32_t mask, uint8_t family) {
  if (mask == 0) return nullptr;
  // A flush ignores the family under version 0 (ctnetlink_del_conntrack).
  const uint8_t version = family == AF_UNSPEC ? NFNETLINK_V0 : NFNETLINK_V0 + 1;
  nlmsghdr* message = PutHeader(buffer, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family, version);
  PutMark(message, mark, mask);
  return message;
}

nlmsghdr* BuildCtDelete(void* buffer, const nlmsghdr* told) {
  const auto* header = MessageBody<nfgenmsg>(told);
  nlmsghdr* message = PutHeader(buffer, IPCTNL_MSG_CT_DELETE, 0, header->nfgen_family);
  bool named = false;
  bool fits = true;
  ForEachAttributeOf<nfgenmsg>(told, [&](const nlattr* attribute) {
    switch (AttributeType(attribute)) {
      case CTA_TUPLE_ORIG:
        named = true;
        [[fallthrough]];
      // The id is needed because another connection may have the tuple by now, and the zone because two zones
      // may each have the tuple.
      case CTA_ID:
      case CTA_ZONE:
        fits = fits && message->nlmsg_len + NetlinkAlign(attribute->nla_len) <= kCtMessageBytes;
        if (fits)
          PutAttribute(message, attribute->nla_type, AttributeData(attribute), AttributeBytes(attribute));
    }
  });
  return named && fits ? message : nullptr;
}

nlmsghdr* BuildCtGet(void* buffer, const CtTuple& tuple) {
  nlmsghdr* message = PutHeader(buffer, IPCTNL_MSG_CT_GET, 0, tuple.family);
  const bool ipv6 = tuple.family == AF_INET6;
  nlattr* whole = StartNested(message, CTA_TUPLE_ORIG);
  nlattr* part = StartNested(message, CTA_TUPLE_IP);
  const size_t address_bytes = ipv6 ? 16 : 4;
  PutAttribute(message, ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, tuple.src, address_bytes);
  PutAttribute(message, ipv6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, tuple.dst, address_bytes);
  EndNested(message, part);
  part = StartNested(message, CTA_TUPLE_PROTO);
  PutValue(message, CTA_PROTO_NUM, tuple.proto);
  PutValue(message, CTA_PROTO_SRC_PORT, htons(tuple.sport));
  PutValue(message, CTA_PROTO_DST_PORT, htons(tuple.dport));
  EndNested(message, part);
  EndNested(message, whole);
  return message;
}

std::vector<sock_filter> BuildCtMarkFilter(uint32_t mask) {
  Program program;
  program.RequireMark(mask);
  program.Return(true);
  return program.statements;
}

std::vector<sock_filter> BuildCtEventFilter(uint32_t mask, bool established) {
  constexpr uint32_t kAttributesAt = AttributesAt(sizeof(nfgenmsg));
  // nlmsg_type is in host order, with the subsystem in its high byte and the message in its low one.
  constexpr size_t kMessageAt =
      offsetof(nlmsghdr, nlmsg_type) + (std::endian::native == std::endian::little ? 0 : 1);
  Program program;
  program.RequireMark(mask);

  program.LoadByte(kMessageAt);
  program.IfEqual(IPCTNL_MSG_CT_DELETE);
  program.Return(true);

  program.LoadImmediate(kAttributesAt);
  program.FindAttribute(CTA_TUPLE_ORIG);
  program.IfEqual(0);
  program.Return(false);
  program.FindNested(CTA_TUPLE_PROTO);
  program.IfEqual(0);
  program.Return(false);
  program.FindNested(CTA_PROTO_NUM);
  program.IfEqual(0);
  program.Return(false);
  program.LoadValue(BPF_B);
  program.IfNotEqual(IPPROTO_TCP);
  program.Return(true);

  program.LoadImmediate(kAttributesAt);
  program.FindAttribute(CTA_PROTOINFO);
  program.IfEqual(0);
  program.Return(false);
  program.FindNested(CTA_PROTOINFO_TCP);
  program.IfEqual(0);
  program.Return(false);
  program.FindNested(CTA_PROTOINFO_TCP_STATE);
  program.IfEqual(0);
  program.Return(false);
  program.LoadValue(BPF_B);
  const uint32_t begin = established ? TCP_CONNTRACK_ESTABLISHED : TCP_CONNTRACK_SYN_RECV;
  // An event tells the state at the moment when it is written, which is a later one when the next packet has
  // just been handled by another CPU. So FIN_WAIT is missed now and then; TIME_WAIT is the last state, and is
  // not.
  for (const uint32_t state : {begin, uint32_t{TCP_CONNTRACK_FIN_WAIT}, uint32_t{TCP_CONNTRACK_TIME_WAIT},
                               uint32_t{TCP_CONNTRACK_CLOSE}}) {
    program.IfEqual(state);
    program.Return(true);
  }
  program.Return(false);
  return program.statements;
}

}  // namespace wanmark
