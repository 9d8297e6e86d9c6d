// The errors of the operating system as JS sees them: with `errno`, and with `step`, which names what was
// being done.
#pragma once

#include <napi.h>

#include <cstring>
#include <string>

namespace wanmark {

inline Napi::Error MakeError(Napi::Env env, int error) {
  Napi::Error result = Napi::Error::New(env, std::strerror(error));
  result.Set("errno", Napi::Number::New(env, error));
  return result;
}

inline Napi::Error MakeError(Napi::Env env, const char* step, int error) {
  Napi::Error result = Napi::Error::New(env, std::string(step) + ": " + std::strerror(error));
  result.Set("step", Napi::String::New(env, step));
  result.Set("errno", Napi::Number::New(env, error));
  return result;
}

}  // namespace wanmark
