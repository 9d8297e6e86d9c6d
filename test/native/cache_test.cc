// Tests the recent-decision cache, the misses of one batch, and the hash that both use.
#include <memory>

#include "check.h"
#include "queue/decision_cache.h"
#include "queue/misses.h"

using namespace wanmark;

namespace {

FlowKey Flow(uint16_t sport, uint16_t dport = 53) {
  FlowKey key;
  key.family = 4;
  key.proto = 17;
  key.src[0] = 10;
  key.sport = sport;
  key.dport = dport;
  return key;
}

/**
 * These vectors are of the reference implementation and of `openssl mac SIPHASH`, with key 00 01 .. 0f and
 * data 00 01 ..
 */
void TestSipHash() {
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  uint8_t data[40];
  for (uint8_t i = 0; i < sizeof(data); i++) data[i] = i;
  CHECK(SipHash24(key, data, 0) == 0x726fdb47dd0e0e31);
  CHECK(SipHash24(key, data, 1) == 0x74f839c593dc67fd);
  CHECK(SipHash24(key, data, 8) == 0x93f5f5799a932462);
  CHECK(SipHash24(key, data, 15) == 0xa129ca6149be45e5);
  CHECK(SipHash24(key, data, 40) == 0x0e3ea96b5304a7d0);
}

void TestLifetime() {
  DecisionCache cache(3000, 16);
  CHECK(!cache.Find(Flow(1), 7, 1000));
  cache.Remember(Flow(1), 7, 2, 1000);
  CHECK_EQUAL(cache.Find(Flow(1), 7, 1000).value(), 2);
  CHECK_EQUAL(cache.Find(Flow(1), 7, 3999).value(), 2);
  CHECK(!cache.Find(Flow(1), 7, 4000));
  // Deciding again replaces the mark and begins a new life.
  cache.Remember(Flow(1), 7, 3, 4500);
  CHECK_EQUAL(cache.Find(Flow(1), 7, 7499).value(), 3);

  DecisionCache off(0, 16);
  off.Remember(Flow(1), 7, 2, 1000);
  CHECK(!off.Find(Flow(1), 7, 1000));
}

/**
 * All keys have the same hash here. They are told apart by the whole tuple, and a full set forgets its
 * oldest.
 */
void TestCollisions() {
  DecisionCache cache(3000, 16);
  for (uint16_t i = 0; i < DecisionCache::kWays; i++) cache.Remember(Flow(i), 5, i + 1, 100 + i);
  for (uint16_t i = 0; i < DecisionCache::kWays; i++) CHECK_EQUAL(cache.Find(Flow(i), 5, 200).value(), i + 1);
  CHECK(!cache.Find(Flow(0, 54), 5, 200));
  FlowKey other = Flow(0);
  other.proto = 6;
  CHECK(!cache.Find(other, 5, 200));
  other = Flow(0);
  other.flags = kFlagFragment;
  CHECK(!cache.Find(other, 5, 200));

  cache.Remember(Flow(99), 5, 9, 200);
  CHECK(!cache.Find(Flow(0), 5, 200));
  CHECK_EQUAL(cache.Find(Flow(1), 5, 200).value(), 2);
  CHECK_EQUAL(cache.Find(Flow(99), 5, 200).value(), 9);
  // Remembering a key that is known does not push another one out.
  cache.Remember(Flow(3), 5, 8, 300);
  CHECK_EQUAL(cache.Find(Flow(3), 5, 300).value(), 8);
  CHECK_EQUAL(cache.Find(Flow(1), 5, 300).value(), 2);
}

/** A set is searched by the low 32 bits of a time, which come around every 49.7 days. */
void TestTimeBeyond32Bits() {
  DecisionCache cache(3000, 16);
  const uint64_t around = (uint64_t{1} << 32) - 3000;
  for (uint16_t i = 0; i < DecisionCache::kWays; i++) cache.Remember(Flow(i), 5, i + 1, around - 2 + i);
  cache.Remember(Flow(99), 5, 9, around + 10);
  CHECK(!cache.Find(Flow(0), 5, around + 10));
  for (uint16_t i = 1; i < DecisionCache::kWays; i++) {
    CHECK_EQUAL(cache.Find(Flow(i), 5, around + 10).value(), i + 1);
  }
  CHECK(!cache.Find(Flow(99), 5, around + 3010));
}

void TestForget() {
  DecisionCache cache(3000, 64);
  for (uint16_t i = 0; i < 8; i++) cache.Remember(Flow(i), i, 0x100 + i % 2, 1000 + i * 100);
  // The first two decisions of mark 0x100 are over at 4300. They are dropped, but not counted.
  CHECK_EQUAL(cache.Forget(0, 0xff, 4300), 2);
  CHECK(!cache.Find(Flow(4), 4, 1500));
  CHECK_EQUAL(cache.Find(Flow(5), 5, 1500).value(), 0x101);
  CHECK_EQUAL(cache.Forget(0, 0xff, 1500), 0);
  CHECK_EQUAL(cache.Forget(0x101, 0xffffffff, 1500), 4);
}

/**
 * With as many flows as there is room for, spread by the real hash, most are found, and none is found wrong.
 */
void TestSpread() {
  const SipKey key{1, 2};
  DecisionCache cache(3000, 4096);
  for (uint16_t i = 0; i < 2048; i++) cache.Remember(Flow(i), Flow(i).Hash(key), i + 1u, 1000);
  int found = 0;
  for (uint16_t i = 0; i < 2048; i++) {
    const auto mark = cache.Find(Flow(i), Flow(i).Hash(key), 1000);
    if (!mark) continue;
    CHECK_EQUAL(*mark, i + 1);
    found++;
  }
  CHECK(found > 1900);
}

void TestMisses() {
  Packet packets[BatchMemory::kCapacity];
  const auto misses = std::make_unique<Misses>();
  misses->Clear();
  // Three packets of one flow are one miss, even when every hash is the same.
  for (int i = 0; i < 3; i++) packets[i].flow = Flow(1);
  packets[3].flow = Flow(2);
  CHECK_EQUAL(misses->Add(packets[0], 5), 0);
  CHECK_EQUAL(misses->Add(packets[1], 5), 0);
  CHECK_EQUAL(misses->Add(packets[3], 5), 1);
  CHECK_EQUAL(misses->Add(packets[2], 5), 0);
  CHECK_EQUAL(misses->count(), 2);
  CHECK((*misses)[0].packet == &packets[0] && (*misses)[1].packet == &packets[3]);

  // Packets that do not tell their flow are never of the same flow.
  misses->Clear();
  CHECK_EQUAL(misses->count(), 0);
  for (Packet& packet : packets) packet.flow = FlowKey{};
  for (uint32_t i = 0; i < BatchMemory::kCapacity; i++) CHECK_EQUAL(misses->Add(packets[i], 5), i);

  // A whole batch falls into the neighbourhood of one slot.
  misses->Clear();
  for (uint32_t i = 0; i < BatchMemory::kCapacity; i++) {
    packets[i].flow = Flow(static_cast<uint16_t>(i));
    CHECK_EQUAL(misses->Add(packets[i], ~uint64_t{0}), i);
  }
  for (uint32_t i = 0; i < BatchMemory::kCapacity; i++) {
    CHECK_EQUAL(misses->Add(packets[i], ~uint64_t{0}), i);
  }
}

}  // namespace

int main() {
  TestSipHash();
  TestLifetime();
  TestCollisions();
  TestTimeBeyond32Bits();
  TestForget();
  TestSpread();
  TestMisses();
}
