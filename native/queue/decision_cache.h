// The recent-decision cache. Until a connection is confirmed, each of its packets is queued on its own (DNS A
// and AAAA from one socket, QUIC's first flight), and each would get its own mark and leave by its own
// uplink. A decision is therefore remembered for its 5-tuple for a few seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/mapped_array.h"
#include "queue/flow_key.h"

namespace wanmark {

/** A set-associative cache of fixed size. A full set forgets its oldest decision. Not thread-safe. */
class DecisionCache {
 public:
  static constexpr size_t kWays = 4;
  /**
   * The default number of entries. With 64 bytes each, and 8 more for the search, they take 4.5 MiB, of which
   * only the used part is ever touched.
   */
  static constexpr size_t kDefaultEntries = 65536;

  /** `entries` is a power of two and at least kWays. With `ttl_ms` 0, nothing is remembered. */
  explicit DecisionCache(uint32_t ttl_ms, size_t entries = kDefaultEntries);

  /**
   * The remembered mark; nothing where there is none. `hash` is key.Hash() under a random key of the
   * caller's. `now_ms` comes from a clock that never goes back. `finds` becomes how often this decision has
   * been found, this time included.
   */
  std::optional<uint32_t> Find(const FlowKey& key, uint64_t hash, uint64_t now_ms, uint32_t* finds = nullptr);
  void Remember(const FlowKey& key, uint64_t hash, uint32_t mark, uint64_t now_ms);
  /** Drops the decisions that have `mark` under `mask`. Returns how many of them were still valid. */
  size_t Forget(uint32_t mark, uint32_t mask, uint64_t now_ms);

 private:
  struct alignas(64) Entry {
    FlowKey key;
    uint32_t mark;
    uint32_t finds;
    // The entry is valid while now_ms < expires_ms. In an entry that was never used, this is 0.
    uint64_t expires_ms;
  };
  /**
   * The part of a set that a search looks at: half a cache line, where the entries themselves take a line
   * each. Nearly every flow is new, and finding nothing must not cost four lines that nobody has used for
   * seconds.
   */
  struct Head {
    /** A part of the entry's hash, never 0. 0 means that there is no entry. */
    uint32_t tags[kWays];
    /** The low bits of expires_ms, by which the oldest entry is found. */
    uint32_t expires[kWays];
  };

  static uint32_t Tag(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) | 1; }
  size_t SetIndex(uint64_t hash) const { return hash & set_mask_; }
  /** Returns the way of a set that holds this key, whether still valid or expired; kWays when none does. */
  size_t WayOf(size_t set, const FlowKey& key, uint64_t hash) const;

  /**
   * Returns a free way, or else that of the oldest entry. All entries live equally long, so the oldest is the
   * one that expires first. `expires` is later than all of theirs.
   */
  static size_t Oldest(const Head& head, uint32_t expires);

  uint32_t ttl_ms_;
  uint64_t set_mask_;
  MappedArray<Head> heads_;
  MappedArray<Entry> entries_;
};

}  // namespace wanmark
