#include "decision_cache.h"

namespace wanmark {

DecisionCache::DecisionCache(uint32_t ttl_ms, size_t entries)
    : ttl_ms_(ttl_ms), set_mask_(entries / kWays - 1), entries_(entries) {
  // Without memory for it, the queue works as with a time to live of 0.
  if (entries_.size() == 0) ttl_ms_ = 0;
}

std::optional<uint32_t> DecisionCache::Find(const FlowKey& key, uint64_t hash, uint64_t now_ms,
                                            uint32_t* finds) {
  if (ttl_ms_ == 0) return std::nullopt;
  Entry* set = Set(hash);
  for (size_t way = 0; way < kWays; way++) {
    if (now_ms >= set[way].expires_ms || set[way].key != key) continue;
    if (finds) *finds = ++set[way].finds;
    return set[way].mark;
  }
  return std::nullopt;
}

void DecisionCache::Remember(const FlowKey& key, uint64_t hash, uint32_t mark, uint64_t now_ms) {
  if (ttl_ms_ == 0) return;
  Entry* set = Set(hash);
  Entry* oldest = set;
  for (size_t way = 0; way < kWays; way++) {
    Entry* entry = set + way;
    if (entry->expires_ms != 0 && entry->key == key) {
      oldest = entry;
      break;
    }
    // All live equally long, so the one that expires first is the oldest, and an unused one goes before it.
    if (entry->expires_ms < oldest->expires_ms) oldest = entry;
  }
  *oldest = Entry{key, mark, 0, now_ms + ttl_ms_};
}

size_t DecisionCache::Forget(uint32_t mark, uint32_t mask, uint64_t now_ms) {
  size_t forgotten = 0;
  for (Entry& entry : entries_) {
    if (entry.expires_ms == 0 || (entry.mark & mask) != mark) continue;
    if (now_ms < entry.expires_ms) forgotten++;
    entry.expires_ms = 0;
  }
  return forgotten;
}

}  // namespace wanmark
