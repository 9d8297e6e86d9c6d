// The flows that were left to the kernel because JS was late. JS hears of them when it is back, since it can
// only watch over connections that it knows of.
#pragma once

#include <atomic>
#include <cstdint>

#include "queue/batch_memory.h"

namespace wanmark {

/**
 * A ring between the I/O thread, which writes, and the JS thread, which reads. While it is full, what comes
 * is not noted: JS follows only a part of the connections in any case.
 */
class LateFlows {
 public:
  /** `memory` must outlive this object. Element `i` of its arrays is the packet at place `i` of the ring. */
  explicit LateFlows(BatchMemory& memory) : memory_(memory) {}

  // --- the I/O thread ---

  void Note(const Packet& packet, uint64_t now_ms) {
    const uint32_t end = end_.load(std::memory_order_relaxed);
    if (end - begin_.load(std::memory_order_acquire) == BatchMemory::kCapacity) return;
    const uint32_t place = end % BatchMemory::kCapacity;
    memory_.Fill(place, packet);
    noted_ms_[place] = now_ms;
    end_.store(end + 1, std::memory_order_release);
  }

  // --- the JS thread ---

  bool empty() const {
    return begin_.load(std::memory_order_relaxed) == end_.load(std::memory_order_acquire);
  }
  /** Returns the place of the oldest flow. There must be one. */
  uint32_t place() const { return begin_.load(std::memory_order_relaxed) % BatchMemory::kCapacity; }
  /** Returns when the oldest flow was noted. There must be one. */
  uint64_t noted_ms() const { return noted_ms_[place()]; }
  /** Gives the place of the oldest flow back to the I/O thread. */
  void Drop() { begin_.store(begin_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  BatchMemory& memory_;
  uint64_t noted_ms_[BatchMemory::kCapacity] = {};
  // Both only grow, and wrap together with the places, whose number is a power of two.
  std::atomic<uint32_t> begin_{0};
  std::atomic<uint32_t> end_{0};
  static_assert((BatchMemory::kCapacity & (BatchMemory::kCapacity - 1)) == 0);
};

}  // namespace wanmark
