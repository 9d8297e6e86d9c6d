// The recent-decision cache. Until a connection is confirmed each of its packets is queued on its own (DNS A
// and AAAA from one socket, QUIC's first flight), and each would get its own mark and leave by its own
// uplink. What was decided for a 5-tuple is therefore remembered for a few seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "flow_key.h"
#include "mapped_array.h"

namespace wanmark {

/** Set-associative and of fixed size: a full set forgets its oldest decision. Not thread-safe. */
class DecisionCache {
 public:
  static constexpr size_t kWays = 4;
  /** With 64 bytes each 4 MiB, of which only what is used is ever touched. */
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
  struct Entry {
    FlowKey key;
    uint32_t mark;
    uint32_t finds;
    // Valid while now_ms < expires_ms; 0 is an entry never used.
    uint64_t expires_ms;
  };

  Entry* Set(uint64_t hash) { return entries_.begin() + (hash & set_mask_) * kWays; }

  uint32_t ttl_ms_;
  uint64_t set_mask_;
  MappedArray<Entry> entries_;
};

}  // namespace wanmark
