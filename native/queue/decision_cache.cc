#include "queue/decision_cache.h"

namespace wanmark {

DecisionCache::DecisionCache(uint32_t ttl_ms, size_t entries)
    : ttl_ms_(ttl_ms), set_mask_(entries / kWays - 1), heads_(entries / kWays), entries_(entries) {
  // Without memory for the cache, the queue works as with a time to live of 0.
  if (heads_.size() == 0 || entries_.size() == 0) ttl_ms_ = 0;
}

size_t DecisionCache::WayOf(size_t set, const FlowKey& key, uint64_t hash) const {
  const Head& head = heads_[set];
  for (size_t way = 0; way < kWays; way++) {
    if (head.tags[way] == Tag(hash) && entries_[set * kWays + way].key == key) return way;
  }
  return kWays;
}

std::optional<uint32_t> DecisionCache::Find(const FlowKey& key, uint64_t hash, uint64_t now_ms,
                                            uint32_t* finds) {
  if (ttl_ms_ == 0) return std::nullopt;
  const size_t set = SetIndex(hash);
  const size_t way = WayOf(set, key, hash);
  if (way == kWays) return std::nullopt;
  Entry& entry = entries_[set * kWays + way];
  if (now_ms >= entry.expires_ms) return std::nullopt;
  if (finds) *finds = ++entry.finds;
  return entry.mark;
}

size_t DecisionCache::Oldest(const Head& head, uint32_t expires) {
  size_t oldest = 0;
  uint32_t most = 0;
  for (size_t way = 0; way < kWays; way++) {
    if (head.tags[way] == 0) return way;
    const uint32_t age = expires - head.expires[way];
    if (age <= most) continue;
    most = age;
    oldest = way;
  }
  return oldest;
}

void DecisionCache::Remember(const FlowKey& key, uint64_t hash, uint32_t mark, uint64_t now_ms) {
  if (ttl_ms_ == 0) return;
  const size_t set = SetIndex(hash);
  Head& head = heads_[set];
  const uint64_t expires_ms = now_ms + ttl_ms_;
  const auto expires = static_cast<uint32_t>(expires_ms);
  size_t chosen = WayOf(set, key, hash);
  if (chosen == kWays) chosen = Oldest(head, expires);
  head.tags[chosen] = Tag(hash);
  head.expires[chosen] = expires;
  entries_[set * kWays + chosen] = Entry{key, mark, 0, expires_ms};
}

size_t DecisionCache::Forget(uint32_t mark, uint32_t mask, uint64_t now_ms) {
  size_t forgotten = 0;
  for (size_t i = 0; i < entries_.size(); i++) {
    Entry& entry = entries_[i];
    if (entry.expires_ms == 0 || (entry.mark & mask) != mark) continue;
    if (now_ms < entry.expires_ms) forgotten++;
    entry.expires_ms = 0;
    heads_[i / kWays].tags[i % kWays] = 0;
  }
  return forgotten;
}

}  // namespace wanmark
