// The memory of one batch. The I/O thread fills it; JS reads it and answers in it.
#pragma once

#include "queue/packet_columns.h"

namespace wanmark {

/** While more packets than these are waiting, JS is woken up half as often as with 64. */
struct BatchMemory : PacketColumns<128> {
  /** This answer leaves a packet to the kernel (KERNEL_DECIDES in src/core/batch.ts). */
  static constexpr uint32_t kKernelDecides = 0;
  /** This answer drops a packet (DROP in src/core/batch.ts); see QueueLoop::IsDropped. */
  static constexpr uint32_t kDrop = UINT32_MAX;
};

}  // namespace wanmark
