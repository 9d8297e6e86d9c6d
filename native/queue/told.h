// What happened without JS, for JS to hear of afterwards: the decisions that a plan gave, each of them or
// some (Plans::TellSome), and the flows that were left to the kernel because JS was late. JS writes the log,
// counts, and watches over connections, in batches and in its own time; no packet waits for that.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "queue/packet_columns.h"

namespace wanmark {

/** The memory that JS shares. Element `i` of the arrays is what happened at place `i` of the ring. */
struct ToldMemory : PacketColumns<8192> {};

/**
 * A ring between the I/O thread, which writes, and the JS thread, which reads. Its capacity is what JS can
 * miss without anything being lost: a second and a half of 5,000 decisions. The memory is touched only as far
 * as it is used.
 */
class Told {
 public:
  static constexpr uint32_t kCapacity = ToldMemory::kCapacity;

  /** `memory` must outlive this object. */
  explicit Told(ToldMemory& memory) : memory_(memory) {}

  // --- the I/O thread ---

  /** How many can be noted. */
  uint32_t room() const { return kCapacity - Count(); }

  /**
   * Notes a packet with its mark, or with BatchMemory::kKernelDecides for a flow that JS was late for. While
   * the ring is full, it does nothing.
   */
  void Note(const Packet& packet, uint32_t mark, uint64_t now_ms) {
    if (room() == 0) return;
    const uint32_t end = end_.load(std::memory_order_relaxed);
    const uint32_t place = end % kCapacity;
    memory_.Fill(place, packet, mark, now_ms);
    end_.store(end + 1, std::memory_order_release);
  }

  // --- any thread ---

  /** How many are noted and not dropped yet. */
  uint32_t Count() const {
    return end_.load(std::memory_order_acquire) - begin_.load(std::memory_order_acquire);
  }

  // --- the JS thread ---

  /** Returns the place of the oldest one. */
  uint32_t place() const { return begin_.load(std::memory_order_relaxed) % kCapacity; }
  /** Returns how many, from the oldest on, lie at consecutive places. */
  uint32_t Run() const { return std::min(Count(), kCapacity - place()); }
  /** Gives the places of the oldest ones back to the I/O thread. */
  void Drop(uint32_t count) {
    begin_.store(begin_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }

 private:
  ToldMemory& memory_;
  // Both only grow, and wrap together with the places, whose number is a power of two.
  std::atomic<uint32_t> begin_{0};
  std::atomic<uint32_t> end_{0};
  static_assert((kCapacity & (kCapacity - 1)) == 0);
};

}  // namespace wanmark
