// The set of connections that are counted, each with the number of its mark. It has 8 bytes a slot, open
// addressing and no object for an entry, so 300,000 connections take 4 MiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "base/mapped_array.h"

namespace wanmark {

class CtSet {
 public:
  /** Returns the number of `key`; 0 when it is not in the set. */
  uint16_t Find(uint64_t key) const { return static_cast<uint16_t>(slots_[Slot(key)]); }

  /**
   * Adds a key of at most 48 bits with a number other than 0. Returns false when the key was there, whose
   * number then stays as it was.
   */
  bool Insert(uint64_t key, uint16_t number) {
    const size_t slot = Slot(key);
    if (slots_[slot]) return false;
    slots_[slot] = key << 16 | number;
    if (++size_ * 3 > slots_.size() * 2) Resize(slots_.size() * 2);
    return true;
  }

  /** Takes the key out and returns its number; 0 when it was not there. */
  uint16_t Erase(uint64_t key) {
    size_t hole = Slot(key);
    const auto number = static_cast<uint16_t>(slots_[hole]);
    if (!number) return 0;
    size_--;
    // The gap is closed (Knuth 6.4, algorithm R), because a probe must never stop at a slot that was emptied.
    for (size_t next = Next(hole); slots_[next]; next = Next(next)) {
      const size_t home = Home(slots_[next] >> 16);
      if (((next - home) & Mask()) < ((next - hole) & Mask())) continue;
      slots_[hole] = slots_[next];
      hole = next;
    }
    slots_[hole] = 0;
    return number;
  }

  /** Empties the set and gives back memory that half as many entries would not need. */
  void Clear() {
    size_t slots = slots_.size();
    while (slots > kLeastSlots && size_ * 4 < slots) slots /= 2;
    slots_ = Slots(slots);
    size_ = 0;
  }

  size_t size() const { return size_; }

 private:
  static constexpr size_t kLeastSlots = 1024;

  size_t Mask() const { return slots_.size() - 1; }
  // The key is a hash already, so it needs no other.
  size_t Home(uint64_t key) const { return key & Mask(); }
  size_t Next(size_t slot) const { return (slot + 1) & Mask(); }
  /** Returns the slot that holds the key, or the empty one where it would be. */
  size_t Slot(uint64_t key) const {
    size_t slot = Home(key);
    while (slots_[slot] && slots_[slot] >> 16 != key) slot = Next(slot);
    return slot;
  }
  /** Makes room. Without memory this ends the process, as operator new does here. */
  static MappedArray<uint64_t> Slots(size_t count) {
    MappedArray<uint64_t> slots(count);
    if (slots.size() == 0) std::abort();
    return slots;
  }
  void Resize(size_t slots) {
    const MappedArray<uint64_t> old = std::exchange(slots_, Slots(slots));
    for (const uint64_t value : old) {
      if (value) slots_[Slot(value >> 16)] = value;
    }
  }

  MappedArray<uint64_t> slots_ = Slots(kLeastSlots);
  size_t size_ = 0;
};

}  // namespace wanmark
