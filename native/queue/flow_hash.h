// The hash by which a table's place is found: the one that strategies use (src/core/hash.ts,
// src/core/table.ts), so that a flow has the same target no matter who looks it up. It has no key, since it
// must be the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "queue/flow_key.h"

namespace wanmark {

/** The parts of a flow that a hash is of; at least one. */
struct HashFields {
  bool src = false;
  bool sport = false;
  bool dst = false;
  bool dport = false;
  bool proto = false;
};

/** MurmurHash3's 32-bit finaliser (fmix32). */
inline uint32_t Mix32(uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6b;
  x = (x ^ x >> 13) * 0xc2b2ae35;
  return x ^ x >> 16;
}

/** 32-bit FNV-1a, finished with Mix32. */
inline uint32_t HashBytes32(const uint8_t* bytes, size_t size) {
  uint32_t hash = 0x811c9dc5;
  for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x01000193;
  return Mix32(hash);
}

inline uint32_t HashFlow(const FlowKey& flow, HashFields fields) {
  const size_t size = flow.family == 6 ? 16 : 4;
  uint32_t hash = 0;
  bool first = true;
  const auto add = [&](uint32_t value) {
    // 2^32 divided by the golden ratio keeps a source and a destination that are equal from cancelling out.
    hash = first ? value : Mix32(hash * 0x9e3779b1 ^ value);
    first = false;
  };
  if (fields.src) add(HashBytes32(flow.src, size));
  if (fields.sport) add(Mix32(flow.sport));
  if (fields.dst) add(HashBytes32(flow.dst, size));
  if (fields.dport) add(Mix32(flow.dport));
  if (fields.proto) add(Mix32(flow.proto));
  return hash;
}

/** The place of a hash among so many, as the kernel's reciprocal_scale (linux/kernel.h) finds it. */
inline uint32_t PlaceOf(uint32_t hash, uint32_t places) {
  return static_cast<uint32_t>(uint64_t{hash} * places >> 32);
}

}  // namespace wanmark
