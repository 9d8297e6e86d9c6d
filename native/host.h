// What JS asks of the machine besides packets: nftGeneration(), legacyTable(family, name) and
// sendUnixDatagram(path, data). Each answers a number or an array, or throws an Error with `errno`.
#pragma once

#include <napi.h>

namespace wanmark {

Napi::Value NftGenerationForJs(const Napi::CallbackInfo& info);
Napi::Value LegacyTableForJs(const Napi::CallbackInfo& info);
Napi::Value SendUnixDatagramForJs(const Napi::CallbackInfo& info);

}  // namespace wanmark
