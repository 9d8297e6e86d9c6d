// The packets that JS sees: a struct of arrays, which it reads as typed arrays (src/core/batch.ts).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "queue/packet.h"

namespace wanmark {

/** How many bytes of each packet are copied. */
constexpr uint32_t kCopyBytes = 128;

template <uint32_t N>
struct PacketColumns {
  static constexpr uint32_t kCapacity = N;

  /** A double holds a number of 48 bits exactly, and JS reads it without making an object. */
  double mac[N] = {};
  /** When the packet came, in milliseconds of the loop's clock. */
  double at_ms[N] = {};
  uint32_t marks[N] = {};
  uint32_t old_mark[N] = {};
  uint32_t in_ifindex[N] = {};
  uint32_t out_ifindex[N] = {};
  uint32_t length[N] = {};
  uint16_t sport[N] = {};
  uint16_t dport[N] = {};
  uint8_t family[N] = {};
  uint8_t proto[N] = {};
  uint8_t flags[N] = {};
  uint8_t copied[N] = {};
  uint8_t src[N * 16] = {};
  uint8_t dst[N * 16] = {};
  uint8_t bytes[N * kCopyBytes] = {};

  /** Writes packet `i` and its mark. */
  void Fill(uint32_t i, const Packet& packet, uint32_t mark, uint64_t now_ms) {
    const FlowKey& flow = packet.flow;
    marks[i] = mark;
    at_ms[i] = static_cast<double>(now_ms);
    old_mark[i] = packet.old_mark;
    in_ifindex[i] = packet.in_ifindex;
    out_ifindex[i] = packet.out_ifindex;
    length[i] = packet.length;
    mac[i] = static_cast<double>(packet.mac);
    sport[i] = flow.sport;
    dport[i] = flow.dport;
    family[i] = flow.family;
    proto[i] = flow.proto;
    flags[i] = flow.flags;
    std::memcpy(src + i * 16, flow.src, 16);
    std::memcpy(dst + i * 16, flow.dst, 16);
    copied[i] = static_cast<uint8_t>(std::min(packet.copied, kCopyBytes));
    if (copied[i] > 0) std::memcpy(bytes + i * kCopyBytes, packet.bytes, copied[i]);
  }
};

}  // namespace wanmark
