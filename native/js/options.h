// Reads numbers and booleans out of the options object that src/queue/queue.ts passes, which has validated
// them.
#pragma once

#include <napi.h>

#include <cstdint>

namespace wanmark {

inline uint32_t NumberOption(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : 0;
}

inline bool BooleanOption(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

}  // namespace wanmark
