// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash, so that nobody outside can aim flows at one slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace wanmark {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

inline uint64_t SipHash24(const SipKey& key, const void* data, size_t size) {
  uint64_t v0 = key.k0 ^ 0x736f6d6570736575;
  uint64_t v1 = key.k1 ^ 0x646f72616e646f6d;
  uint64_t v2 = key.k0 ^ 0x6c7967656e657261;
  uint64_t v3 = key.k1 ^ 0x7465646279746573;
  const auto rotate = [](uint64_t x, int bits) { return x << bits | x >> (64 - bits); };
  const auto rounds = [&](int n) {
    while (n-- > 0) {
      v0 += v1, v2 += v3;
      v1 = rotate(v1, 13) ^ v0, v3 = rotate(v3, 16) ^ v2;
      v0 = rotate(v0, 32);
      v2 += v1, v0 += v3;
      v1 = rotate(v1, 17) ^ v2, v3 = rotate(v3, 21) ^ v0;
      v2 = rotate(v2, 32);
    }
  };

  const auto* bytes = static_cast<const uint8_t*>(data);
  size_t left = size;
  for (; left >= 8; left -= 8, bytes += 8) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  uint64_t last = static_cast<uint64_t>(size) << 56;
  for (size_t i = 0; i < left; i++) last |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  v3 ^= last;
  rounds(2);
  v0 ^= last;
  v2 ^= 0xff;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace wanmark
