// Packets and netlink messages for the tests, built byte by byte.
#pragma once

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "base/netlink.h"

using Bytes = std::vector<uint8_t>;

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/**
 * An IPv4 packet from 10.0.0.1 to 192.0.2.7. `options` is a multiple of 4 bytes, `fragment` the whole flags
 * and offset field.
 */
inline Bytes Ipv4(uint8_t proto, const Bytes& payload, const Bytes& options = {}, uint16_t fragment = 0) {
  const size_t total = 20 + options.size() + payload.size();
  Bytes header = {static_cast<uint8_t>(0x45 + options.size() / 4),
                  0,
                  static_cast<uint8_t>(total >> 8),
                  static_cast<uint8_t>(total),
                  0,
                  1,
                  static_cast<uint8_t>(fragment >> 8),
                  static_cast<uint8_t>(fragment),
                  64,
                  proto,
                  0,
                  0,
                  10,
                  0,
                  0,
                  1,
                  192,
                  0,
                  2,
                  7};
  return header + options + payload;
}

/** An IPv6 packet from 2001:db8::1 to 2001:db8::2. */
inline Bytes Ipv6(uint8_t next_header, const Bytes& payload) {
  Bytes header = {0x60,
                  0,
                  0,
                  0,
                  static_cast<uint8_t>(payload.size() >> 8),
                  static_cast<uint8_t>(payload.size()),
                  next_header,
                  64,
                  0x20,
                  0x01,
                  0x0d,
                  0xb8,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  1,
                  0x20,
                  0x01,
                  0x0d,
                  0xb8,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  2};
  return header + payload;
}

/**
 * A transport header with ports 4660 (0x1234) and 53, and six more bytes. TCP, UDP, UDP-Lite, SCTP and DCCP
 * all begin like this.
 */
inline Bytes Ports(uint16_t sport = 0x1234, uint16_t dport = 53) {
  return {static_cast<uint8_t>(sport >> 8),
          static_cast<uint8_t>(sport),
          static_cast<uint8_t>(dport >> 8),
          static_cast<uint8_t>(dport),
          1,
          2,
          3,
          4,
          5,
          6};
}

/** An NFQNL_MSG_PACKET as the kernel lays it out (nfqnl_build_packet_message). */
inline Bytes PacketMessage(uint32_t id, const Bytes& packet, uint32_t mark = 0, uint8_t family = AF_INET,
                           uint32_t in_ifindex = 3, uint32_t out_ifindex = 0, uint32_t cap_len = 0,
                           uint16_t hw_addrlen = 0) {
  alignas(8) char buffer[2048] = {};
  nlmsghdr* message = wanmark::StartMessage(buffer);
  message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
  auto* header = wanmark::AppendHeader<nfgenmsg>(message);
  header->nfgen_family = family;
  const nfqnl_msg_packet_hdr packet_header{htonl(id), htons(family == AF_INET6 ? 0x86dd : 0x0800), 0};
  wanmark::PutValue(message, NFQA_PACKET_HDR, packet_header);
  if (in_ifindex) wanmark::PutValue(message, NFQA_IFINDEX_INDEV, htonl(in_ifindex));
  if (out_ifindex) wanmark::PutValue(message, NFQA_IFINDEX_OUTDEV, htonl(out_ifindex));
  if (mark) wanmark::PutValue(message, NFQA_MARK, htonl(mark));
  const nfqnl_msg_packet_hw hardware{htons(hw_addrlen), 0, {0xfe, 0x01, 0x02, 0x03, 0x04, 0x05, 0x99, 0x99}};
  if (hw_addrlen) wanmark::PutValue(message, NFQA_HWADDR, hardware);
  if (cap_len) wanmark::PutValue(message, NFQA_CAP_LEN, htonl(cap_len));
  wanmark::PutAttribute(message, NFQA_PAYLOAD, packet.data(), packet.size());
  return Bytes(buffer, buffer + message->nlmsg_len);
}
