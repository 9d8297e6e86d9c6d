// nftTransaction(family, messages): changes of nftables that the kernel carries out all together or not at
// all. Each message is [NFT_MSG_*, NLM_F_*, attributes as a Uint8Array]. Throws an Error with `errno` where
// the kernel refuses one.
#pragma once

#include <napi.h>

namespace wanmark {

Napi::Value NftTransactionForJs(const Napi::CallbackInfo& info);

}  // namespace wanmark
