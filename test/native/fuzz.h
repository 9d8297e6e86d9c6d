// Fuzz(): random bytes with another seed each time, and a way to repeat what failed.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

/** Rounds that are tried however slow the machine is. */
constexpr int kLeastRounds = 20'000;

/**
 * Calls `round(random)` for as many seconds as WANMARK_FUZZ_SECONDS says (3), which must not fail whatever is
 * drawn. The seed is said first, since a sanitizer ends the process; with it as WANMARK_FUZZ_SEED, the same
 * is drawn again.
 */
template <typename Round>
void Fuzz(const char* what, Round round) {
  const char* seed_text = std::getenv("WANMARK_FUZZ_SEED");
  const char* seconds = std::getenv("WANMARK_FUZZ_SECONDS");
  const auto seed = seed_text ? static_cast<uint32_t>(std::strtoul(seed_text, nullptr, 10))
                              : static_cast<uint32_t>(std::random_device()());
  std::fprintf(stderr, "fuzz %s: WANMARK_FUZZ_SEED=%u sh scripts/fuzz.sh repeats it\n", what, seed);
  std::mt19937 random(seed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds ? std::atol(seconds) : 3);
  for (int i = 0; i < kLeastRounds || std::chrono::steady_clock::now() < end; i++) round(random);
}
