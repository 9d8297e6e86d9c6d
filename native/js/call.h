// Calls from native code into JS.
#pragma once

#include <napi.h>

#include <initializer_list>

namespace wanmark {

/**
 * Calls the function behind `callback`, within a Napi::CallbackScope. Returns what it throws, also null or
 * undefined; an empty value when it throws nothing.
 */
Napi::Value CallJs(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args);

/** Calls the function behind `callback`. What it throws becomes an uncaught exception. */
void NotifyJs(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args);

}  // namespace wanmark
