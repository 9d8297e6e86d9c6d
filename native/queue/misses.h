// The packets of one batch that have to be decided, with each flow once.
#pragma once

#include <cstdint>
#include <cstring>

#include "queue/batch_memory.h"
#include "queue/packet.h"

namespace wanmark {

/**
 * A hash table with open addressing. It has twice as many slots as a batch has packets, so a free one is
 * always near.
 */
class Misses {
 public:
  struct Miss {
    const Packet* packet;
    uint64_t hash;
  };

  void Clear() {
    count_ = 0;
    std::memset(slots_, kFree, sizeof(slots_));
  }

  /**
   * Returns the index of the packet's flow among the misses. A flow that is there already is not added again.
   */
  uint32_t Add(const Packet& packet, uint64_t hash) {
    if (!packet.flow.identifies_flow()) return Append(packet, hash);
    uint32_t slot = static_cast<uint32_t>(hash >> 32) % kSlots;
    while (slots_[slot] != kFree) {
      const Miss& miss = misses_[slots_[slot]];
      if (miss.hash == hash && miss.packet->flow == packet.flow) return slots_[slot];
      slot = (slot + 1) % kSlots;
    }
    slots_[slot] = static_cast<uint8_t>(count_);
    return Append(packet, hash);
  }

  uint32_t count() const { return count_; }
  const Miss& operator[](uint32_t i) const { return misses_[i]; }

 private:
  static constexpr uint32_t kSlots = BatchMemory::kCapacity * 2;
  static constexpr uint8_t kFree = 0xff;
  static_assert(BatchMemory::kCapacity < kFree);

  uint32_t Append(const Packet& packet, uint64_t hash) {
    misses_[count_] = Miss{&packet, hash};
    return count_++;
  }

  Miss misses_[BatchMemory::kCapacity];
  uint8_t slots_[kSlots];
  uint32_t count_ = 0;
};

}  // namespace wanmark
