#include "queue/packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/netlink.h"
#include "queue/headers.h"

namespace wanmark {

namespace {

void ReadBe32(const nlattr* attribute, uint32_t& value) {
  if (AttributeBytes(attribute) >= sizeof(uint32_t)) value = ntohl(AttributeValue<uint32_t>(attribute));
}

/** Addresses of other lengths, as of InfiniBand, are left out. */
uint64_t ReadMac(const nfqnl_msg_packet_hw* hardware) {
  constexpr int kBytes = 6;
  if (ntohs(hardware->hw_addrlen) != kBytes) return 0;
  uint64_t mac = 0;
  for (int i = 0; i < kBytes; i++) mac = mac << 8 | hardware->hw_addr[i];
  return mac;
}

int IpVersion(uint8_t nfgen_family, uint16_t hw_protocol) {
  if (nfgen_family == AF_INET || hw_protocol == ETH_P_IP) return 4;
  if (nfgen_family == AF_INET6 || hw_protocol == ETH_P_IPV6) return 6;
  return 0;
}

}  // namespace

bool ParsePacket(const uint8_t* message, size_t size, Packet& packet) {
  constexpr size_t kAttributesAt = AttributesAt(sizeof(nfgenmsg));
  packet = Packet{};
  if (size < kAttributesAt) return false;
  // A message that the receive buffer has cut says a larger length than there is. Its first attributes are
  // good.
  size = std::min<size_t>(size, reinterpret_cast<const nlmsghdr*>(message)->nlmsg_len);
  if (size < kAttributesAt) return false;
  const uint8_t family = reinterpret_cast<const nfgenmsg*>(message + kMessageHeaderBytes)->nfgen_family;

  bool has_id = false;
  uint16_t hw_protocol = 0;
  ForEachAttribute(message + kAttributesAt, size - kAttributesAt, [&](const nlattr* attribute) {
    switch (AttributeType(attribute)) {
      case NFQA_PACKET_HDR:
        if (AttributeBytes(attribute) >= sizeof(nfqnl_msg_packet_hdr)) {
          const auto* header = reinterpret_cast<const nfqnl_msg_packet_hdr*>(AttributeData(attribute));
          packet.id = ntohl(header->packet_id);
          hw_protocol = ntohs(header->hw_protocol);
          has_id = true;
        }
        break;
      case NFQA_MARK:
        ReadBe32(attribute, packet.old_mark);
        break;
      case NFQA_IFINDEX_INDEV:
        ReadBe32(attribute, packet.in_ifindex);
        break;
      case NFQA_IFINDEX_OUTDEV:
        ReadBe32(attribute, packet.out_ifindex);
        break;
      case NFQA_HWADDR:
        if (AttributeBytes(attribute) >= sizeof(nfqnl_msg_packet_hw))
          packet.mac = ReadMac(reinterpret_cast<const nfqnl_msg_packet_hw*>(AttributeData(attribute)));
        break;
      case NFQA_CAP_LEN:
        ReadBe32(attribute, packet.length);
        break;
      case NFQA_PAYLOAD:
        packet.bytes = AttributeData(attribute);
        packet.copied = AttributeBytes(attribute);
        break;
    }
  });
  // The kernel sends NFQA_CAP_LEN only when it cut the copy.
  packet.length = std::max(packet.length, packet.copied);
  packet.flow = ParseHeaders(packet.bytes, packet.copied, IpVersion(family, hw_protocol));
  return has_id;
}

}  // namespace wanmark
