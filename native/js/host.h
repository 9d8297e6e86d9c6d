// What JS asks of the machine besides packets: nftGeneration(), legacyTable(family, name),
// sendUnixDatagram(path, data), tryLock(path), deviceIndex(name) and peerUser(descriptor). Each throws an
// Error with `errno` where it fails.
#pragma once

#include <napi.h>

namespace wanmark {

Napi::Value NftGenerationForJs(const Napi::CallbackInfo& info);
Napi::Value LegacyTableForJs(const Napi::CallbackInfo& info);
Napi::Value SendUnixDatagramForJs(const Napi::CallbackInfo& info);
Napi::Value TryLockForJs(const Napi::CallbackInfo& info);
Napi::Value DeviceIndexForJs(const Napi::CallbackInfo& info);
Napi::Value PeerUserForJs(const Napi::CallbackInfo& info);

}  // namespace wanmark
