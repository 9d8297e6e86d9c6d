// The recent-decision cache. Until a connection is confirmed each of its packets is queued on its own (DNS A
// and AAAA from one socket, QUIC's first flight), and each would get its own mark and leave by its own
// uplink. What was decided for a 5-tuple is therefore remembered for a few seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/mapped_array.h"
#include "queue/flow_key.h"

namespace wanmark {

/** Set-associative and of fixed size: a full set forgets its oldest decision. Not thread-safe. */
class DecisionCache {
 public:
  static constexpr size_t kWays = 4;
  /** With 64 bytes each, and 8 to search by, 4.5 MiB, of which only what is used is ever touched. */
  static constexpr size_t kDefaultEntries = 65536;

  /** `entries` is a power of two and at least kWays. With `ttl_ms` 0 nothing is remembered. */
  explicit DecisionCache(uint32_t ttl_ms, size_t entries = kDefaultEntries);

  /** `hash` is key.Hash() under a random key of the caller's; `now_ms` comes from any clock that never goes
   * back. */
  /** `finds` counts how often this decision has been found, this time included. */
  std::optional<uint32_t> Find(const FlowKey& key, uint64_t hash, uint64_t now_ms, uint32_t* finds = nullptr);
  void Remember(const FlowKey& key, uint64_t hash, uint32_t mark, uint64_t now_ms);
  /** Drops what was decided as `mark` under `mask`. Returns how many of these decisions were still valid. */
  size_t Forget(uint32_t mark, uint32_t mask, uint64_t now_ms);

 private:
  struct alignas(64) Entry {
    FlowKey key;
    uint32_t mark;
    uint32_t finds;
    // Valid while now_ms < expires_ms; 0 is an entry never used.
    uint64_t expires_ms;
  };
  /**
   * What a search looks at: half a cache line for a set, where the entries are one each. Nearly every flow is
   * new, and finding nothing must not cost four lines that nobody has used for seconds.
   */
  struct Head {
    /** Of the entry's hash, and never 0; 0: there is none. */
    uint32_t tags[kWays];
    /** The low bits of expires_ms, to know the oldest by. */
    uint32_t expires[kWays];
  };

  static uint32_t Tag(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) | 1; }
  size_t SetIndex(uint64_t hash) const { return hash & set_mask_; }
  /** The way of a set that has this key, be it valid or over; kWays when none has. */
  size_t WayOf(size_t set, const FlowKey& key, uint64_t hash) const;

  /**
   * A way that is free, or else the oldest: all live equally long, so it is the one that expires first.
   * `expires` is later than all of them.
   */
  static size_t Oldest(const Head& head, uint32_t expires);

  uint32_t ttl_ms_;
  uint64_t set_mask_;
  MappedArray<Head> heads_;
  MappedArray<Entry> entries_;
};

}  // namespace wanmark
