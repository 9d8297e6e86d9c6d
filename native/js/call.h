// Calls from native code into JS.
#pragma once

#include <napi.h>

#include <initializer_list>

namespace wanmark {

/**
 * Calls the function behind `callback`. What it throws comes back, null and undefined as well; an empty
 * value: it threw nothing. Within a Napi::CallbackScope.
 */
Napi::Value CallJs(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args);

/** The same; what it throws becomes an uncaught exception. */
void NotifyJs(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args);

}  // namespace wanmark
