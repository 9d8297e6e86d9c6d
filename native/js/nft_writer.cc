#include "js/nft_writer.h"

#include <linux/netfilter/nf_tables.h>

#include <string>
#include <utility>
#include <vector>

#include "js/error.h"
#include "js/options.h"
#include "nft/choices.h"

namespace wanmark {

namespace {

const char* StepName(uint16_t type) {
  switch (type) {
    case NFT_MSG_NEWSET:
    case NFT_MSG_NEWSETELEM:
      return "places";
    case NFT_MSG_DELRULE:
    case NFT_MSG_NEWRULE:
      return "rule";
    default:
      return "transaction";
  }
}

class Transaction : public Napi::AsyncWorker {
 public:
  Transaction(Napi::Env env, std::shared_ptr<NetlinkSocket> socket, uint8_t family)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        socket_(std::move(socket)),
        batch_(family) {}

  Napi::Promise promise() const { return deferred_.Promise(); }
  NftBatch& batch() { return batch_; }

 private:
  void Execute() override { error_ = batch_.Send(*socket_, failed_); }
  void OnOK() override {
    if (error_) {
      deferred_.Reject(MakeError(Env(), StepName(failed_), error_).Value());
    } else {
      deferred_.Resolve(Env().Undefined());
    }
  }

  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<NetlinkSocket> socket_;
  NftBatch batch_;
  int error_ = 0;
  uint16_t failed_ = 0;
};

std::string Text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsString() ? value.ToString().Utf8Value() : std::string();
}

bool IsName(const std::string& text) { return !text.empty() && text.size() < NFT_NAME_MAXLEN; }

/** Returns false where a place has no target, a part is missing, or a name is longer than nftables has
 * them. */
bool ReadChoices(const Napi::Object& object, NftChoices& choices) {
  choices.table = Text(object, "table");
  choices.chain = Text(object, "chain");
  const Napi::Value targets = object.Get("targets");
  const Napi::Value places = object.Get("places");
  if (!targets.IsArray() || !places.IsTypedArray() ||
      places.As<Napi::TypedArray>().TypedArrayType() != napi_uint16_array) {
    return false;
  }
  const auto names = targets.As<Napi::Array>();
  for (uint32_t i = 0; i < names.Length(); i++)
    choices.targets.push_back(names.Get(i).ToString().Utf8Value());
  for (const std::string& name : choices.targets) {
    if (!IsName(name)) return false;
  }
  if (!IsName(choices.table) || !IsName(choices.chain)) return false;
  const auto indexes = places.As<Napi::Uint16Array>();
  choices.places.assign(indexes.Data(), indexes.Data() + indexes.ElementLength());
  for (const uint16_t index : choices.places) {
    if (index >= choices.targets.size()) return false;
  }
  return true;
}

}  // namespace

Napi::Function NftWriter::Define(Napi::Env env) {
  return DefineClass(env, "NftWriter",
                     {
                         InstanceMethod<&NftWriter::Write>("write"),
                         InstanceMethod<&NftWriter::Close>("close"),
                     });
}

NftWriter::NftWriter(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NftWriter>(info), socket_(std::make_shared<NetlinkSocket>()) {
  if (const int error = OpenNft(*socket_)) MakeError(info.Env(), error).ThrowAsJavaScriptException();
}

Napi::Value NftWriter::Write(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto refuse = [&](const char* why) {
    Napi::TypeError::New(env, why).ThrowAsJavaScriptException();
    return env.Undefined();
  };
  if (!socket_) return refuse("the writer is closed");
  if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsArray()) return refuse("write(family, choices)");
  auto transaction =
      std::make_unique<Transaction>(env, socket_, static_cast<uint8_t>(info[0].ToNumber().Uint32Value()));
  const auto all = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < all.Length(); i++) {
    const Napi::Value one = all.Get(i);
    NftChoices choices;
    if (!one.IsObject() || !ReadChoices(one.As<Napi::Object>(), choices)) {
      return refuse("choices need the names of a table and of chains, and a target for each place");
    }
    AddChoices(transaction->batch(), choices, i + 1);
  }
  const Napi::Promise promise = transaction->promise();
  // From here on it deletes itself.
  transaction.release()->Queue();
  return promise;
}

void NftWriter::Close(const Napi::CallbackInfo&) { socket_.reset(); }

}  // namespace wanmark
