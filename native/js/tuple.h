// Reads a connection's tuple, {family, proto, src, dst, sport, dport}, out of an object of src/core/tuple.ts.
#pragma once

#include <arpa/inet.h>
#include <napi.h>

#include <cstdint>
#include <string>

#include "js/options.h"

namespace wanmark {

/**
 * Fills in all but the family, which each kind of tuple writes in its own way, and returns that as 4 or 6; 0
 * when an address is not one of that family.
 */
template <typename Tuple>
uint8_t ReadTuple(const Napi::Object& object, Tuple& tuple) {
  const uint8_t family = NumberOption(object, "family") == 6 ? 6 : 4;
  const int domain = family == 6 ? AF_INET6 : AF_INET;
  tuple.proto = static_cast<uint8_t>(NumberOption(object, "proto"));
  tuple.sport = static_cast<uint16_t>(NumberOption(object, "sport"));
  tuple.dport = static_cast<uint16_t>(NumberOption(object, "dport"));
  const std::string src = object.Get("src").ToString();
  const std::string dst = object.Get("dst").ToString();
  const bool valid =
      inet_pton(domain, src.c_str(), tuple.src) == 1 && inet_pton(domain, dst.c_str(), tuple.dst) == 1;
  return valid ? family : 0;
}

}  // namespace wanmark
