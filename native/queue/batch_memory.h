// The memory of one batch. The I/O thread fills it; JS reads it and answers in it, as typed arrays
// (src/core/batch.ts).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "queue/packet.h"

namespace wanmark {

struct BatchMemory {
  /** The number of packets in a batch. While more are waiting, JS is woken up half as often as with 64. */
  static constexpr uint32_t kCapacity = 128;
  static constexpr uint32_t kCopyBytes = 128;
  /** This answer leaves a packet to the kernel (KERNEL_DECIDES in src/core/batch.ts). */
  static constexpr uint32_t kKernelDecides = 0;
  /** This answer drops a packet (DROP in src/core/batch.ts); see QueueLoop::IsDropped. */
  static constexpr uint32_t kDrop = UINT32_MAX;

  /** A double holds a number of 48 bits exactly, and JS reads it without making an object. */
  double mac[kCapacity] = {};
  uint32_t marks[kCapacity] = {};
  uint32_t old_mark[kCapacity] = {};
  uint32_t in_ifindex[kCapacity] = {};
  uint32_t out_ifindex[kCapacity] = {};
  uint32_t length[kCapacity] = {};
  uint16_t sport[kCapacity] = {};
  uint16_t dport[kCapacity] = {};
  uint8_t family[kCapacity] = {};
  uint8_t proto[kCapacity] = {};
  uint8_t flags[kCapacity] = {};
  uint8_t copied[kCapacity] = {};
  uint8_t src[kCapacity * 16] = {};
  uint8_t dst[kCapacity * 16] = {};
  uint8_t bytes[kCapacity * kCopyBytes] = {};

  /** Writes packet `i` and sets its answer to kKernelDecides. */
  void Fill(uint32_t i, const Packet& packet) {
    const FlowKey& flow = packet.flow;
    marks[i] = kKernelDecides;
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
