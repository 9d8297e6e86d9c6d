// Tells which connections will have expired by when, if they stay as idle as a dump found them. The kernel
// collects what has expired minutes later (gc_worker), or when a dump comes by, and sends DESTROY only then,
// while conntrack(8) no longer lists it. There is no clock here; times are microseconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/mapped_array.h"

namespace wanmark {

class CtExpiry {
 public:
  /** A connection that expires further ahead than this is not noted. */
  static constexpr uint64_t kHorizonUs = 60'000'000;

  void Add(uint64_t at, uint64_t key) {
    if (used_ == blocks_.size() * kBlockNotes) {
      blocks_.emplace_back(kBlockNotes);
      // Without memory this ends the process, as operator new does here.
      if (blocks_.back().size() == 0) std::abort();
    }
    uint32_t& first = slots_[at / kSlotUs % kSlots];
    At(used_) = Note{key, first};
    first = ++used_;
  }

  /** Calls `expired(key)` once for each key that was noted for a time before `now`. */
  template <typename Expired>
  void Take(uint64_t now, Expired expired) {
    const uint64_t until = now / kSlotUs;
    if (until > next_ + kSlots) next_ = until - kSlots;
    for (; next_ < until; next_++) {
      uint32_t& first = slots_[next_ % kSlots];
      for (uint32_t note = first; note; note = At(note - 1).next) expired(At(note - 1).key);
      first = 0;
    }
  }

  /** Forgets everything. All that is noted from here on lies after `now`. */
  void Clear(uint64_t now) {
    slots_.fill(0);
    blocks_.clear();
    used_ = 0;
    next_ = now / kSlotUs;
  }

 private:
  static constexpr uint64_t kSlotUs = 100'000;
  // The slots span more than the horizon, so no two times within it share a slot.
  static constexpr size_t kSlots = 1024;

  // A block takes 64 KiB.
  static constexpr size_t kBlockNotes = 4096;

  struct Note {
    uint64_t key;
    // The number of the next note in the slot, from 1 on; 0 ends the list.
    uint32_t next;
  };

  Note& At(size_t note) { return blocks_[note / kBlockNotes][note % kBlockNotes]; }

  // The first note of each slot, numbered as Note::next. Notes come with a dump and go all together, so the
  // memory in use is for what one dump noted and not for all that each slot ever held.
  std::array<uint32_t, kSlots> slots_{};
  std::vector<MappedArray<Note>> blocks_;
  uint32_t used_ = 0;
  uint64_t next_ = 0;
};

}  // namespace wanmark
