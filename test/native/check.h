// CHECK and CHECK_EQUAL are the whole test framework: assert(3) that cannot be compiled away and that names
// what it compared.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)

#define CHECK_EQUAL(actual, expected)                                                                  \
  do {                                                                                                 \
    const auto actual_value = static_cast<long long>(actual);                                          \
    const auto expected_value = static_cast<long long>(expected);                                      \
    if (actual_value != expected_value) {                                                              \
      std::fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #actual, actual_value, \
                   expected_value);                                                                    \
      std::abort();                                                                                    \
    }                                                                                                  \
  } while (false)
