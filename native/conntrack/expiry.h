// Which connections will have expired by when, if they stay as idle as a dump found them. The kernel collects
// what has expired minutes later (gc_worker), or when a dump comes by, and sends DESTROY only then;
// conntrack(8) does not list it any more. No clock; times are microseconds.
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
  /** What expires later than this much ahead is not noted. */
  static constexpr uint64_t kHorizonUs = 60'000'000;

  void Add(uint64_t at, uint64_t key) {
    if (used_ == blocks_.size() * kBlockNotes) {
      blocks_.emplace_back(kBlockNotes);
      // Without memory it ends the process, as operator new does here.
      if (blocks_.back().size() == 0) std::abort();
    }
    uint32_t& first = slots_[at / kSlotUs % kSlots];
    At(used_) = Note{key, first};
    first = ++used_;
  }

  /** Calls `expired(key)` for each that was noted for a time before `now`, once. */
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

  /** Forgets all; what is noted from here on lies behind `now`. */
  void Clear(uint64_t now) {
    slots_.fill(0);
    blocks_.clear();
    used_ = 0;
    next_ = now / kSlotUs;
  }

 private:
  static constexpr uint64_t kSlotUs = 100'000;
  // More than the horizon, so that no two times of it share a slot.
  static constexpr size_t kSlots = 1024;

  // 64 KiB in a block.
  static constexpr size_t kBlockNotes = 4096;

  struct Note {
    uint64_t key;
    // The next one of its slot, from 1 on; 0 ends the list.
    uint32_t next;
  };

  Note& At(size_t note) { return blocks_[note / kBlockNotes][note % kBlockNotes]; }

  // The first note of each slot, as Note::next. Notes come with a dump and go all together, so memory is what
  // one dump noted, not what each slot ever held.
  std::array<uint32_t, kSlots> slots_{};
  std::vector<MappedArray<Note>> blocks_;
  uint32_t used_ = 0;
  uint64_t next_ = 0;
};

}  // namespace wanmark
