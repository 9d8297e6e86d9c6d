#include "decision_cache.h"

#include <sys/mman.h>

namespace wanmark {

void DecisionCache::Unmap::operator()(Entry* entries) const { munmap(entries, bytes); }

DecisionCache::DecisionCache(uint32_t ttl_ms, size_t entries)
    : ttl_ms_(ttl_ms), entry_count_(entries), set_mask_(entries / kWays - 1) {
  const size_t bytes = entries * sizeof(Entry);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    // Without memory for it, the queue works as with a time to live of 0.
    ttl_ms_ = entry_count_ = 0;
    return;
  }
  entries_ = std::unique_ptr<Entry[], Unmap>(static_cast<Entry*>(memory), Unmap{bytes});
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
  for (size_t i = 0; i < entry_count_; i++) {
    Entry& entry = entries_[i];
    if (entry.expires_ms == 0 || (entry.mark & mask) != mark) continue;
    if (now_ms < entry.expires_ms) forgotten++;
    entry.expires_ms = 0;
  }
  return forgotten;
}

}  // namespace wanmark
