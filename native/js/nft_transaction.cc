#include "js/nft_transaction.h"

#include <cstdint>
#include <cstring>

#include "base/netlink.h"
#include "js/error.h"
#include "nft/batch.h"

namespace wanmark {

namespace {

uint32_t Number(const Napi::Value& value) { return value.ToNumber().Uint32Value(); }

/** Adds a message with these attributes; returns false where it is none. */
bool AddMessage(NftBatch& batch, const Napi::Value& value) {
  if (!value.IsArray()) return false;
  const auto parts = value.As<Napi::Array>();
  const Napi::Value body = parts.Get(2U);
  if (!body.IsTypedArray() || body.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return false;
  const auto bytes = body.As<Napi::Uint8Array>();
  const auto type = static_cast<uint16_t>(Number(parts.Get(0U)));
  const auto flags = static_cast<uint16_t>(Number(parts.Get(1U)));
  nlmsghdr* message = batch.Start(type, flags, bytes.ElementLength());
  std::memcpy(Append(message, bytes.ElementLength()), bytes.Data(), bytes.ElementLength());
  batch.End();
  return true;
}

}  // namespace

Napi::Value NftTransactionForJs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  NftBatch batch(static_cast<uint8_t>(Number(info[0])));
  if (!info[1].IsArray()) {
    Napi::TypeError::New(env, "nftTransaction(family, messages)").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto messages = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < messages.Length(); i++) {
    if (AddMessage(batch, messages.Get(i))) continue;
    Napi::TypeError::New(env, "a message is [type, flags, attributes]").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  NetlinkSocket socket;
  uint16_t failed = 0;
  int error = OpenNft(socket);
  if (!error) error = batch.Send(socket, failed);
  if (error) MakeError(env, error).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace wanmark
