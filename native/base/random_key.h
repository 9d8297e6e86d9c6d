// A key for hashes that differs in each process, so that nobody outside knows which slot a flow gets.
#pragma once

#include <sys/random.h>

#include "base/siphash.h"

namespace wanmark {

inline SipKey RandomKey() {
  SipKey key;
  // Up to 256 bytes, getrandom returns all that was asked for, and the random pool is ready before a daemon
  // starts.
  if (getrandom(&key, sizeof(key), 0) != sizeof(key)) key = SipKey{};
  return key;
}

}  // namespace wanmark
