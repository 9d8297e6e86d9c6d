// What JS asks of the machine besides packets: nftGeneration(), legacyTable(family, name),
// sendUnixDatagram(path, data), deviceIndex(name), defaultRoutes(family) and onLink(family, address,
// ifindex). Each answers a number, a boolean or an array, or throws an Error with `errno`.
#pragma once

#include <napi.h>

namespace wanmark {

Napi::Value NftGenerationForJs(const Napi::CallbackInfo& info);
Napi::Value LegacyTableForJs(const Napi::CallbackInfo& info);
Napi::Value SendUnixDatagramForJs(const Napi::CallbackInfo& info);
Napi::Value DeviceIndexForJs(const Napi::CallbackInfo& info);
Napi::Value DefaultRoutesForJs(const Napi::CallbackInfo& info);
Napi::Value OnLinkForJs(const Napi::CallbackInfo& info);

}  // namespace wanmark
