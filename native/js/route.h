// Netlink for JS: routeDump(type, body) and routeRequest(type, flags, body), both with the body as a
// Uint8Array, and the same for nfnetlink. The answer is a Uint8Array of netlink messages; an Error with
// `errno` is thrown instead. routeDumpLater and netfilterDumpLater do the same on another thread, and return
// a promise of the answer.
#pragma once

#include <napi.h>

namespace wanmark {

Napi::Value RouteDumpForJs(const Napi::CallbackInfo& info);
Napi::Value RouteRequestForJs(const Napi::CallbackInfo& info);
Napi::Value NetfilterDumpForJs(const Napi::CallbackInfo& info);
Napi::Value RouteDumpLaterForJs(const Napi::CallbackInfo& info);
Napi::Value NetfilterDumpLaterForJs(const Napi::CallbackInfo& info);
Napi::Value NetfilterRequestForJs(const Napi::CallbackInfo& info);

}  // namespace wanmark
