#include "js/nft_writer.h"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "js/error.h"
#include "js/options.h"
#include "nft/choices.h"
#include "nft/counters.h"

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

class CountersRead : public Napi::AsyncWorker {
 public:
  CountersRead(Napi::Env env, std::shared_ptr<NetlinkSocket> socket, uint8_t family, std::string table)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        socket_(std::move(socket)),
        family_(family),
        table_(std::move(table)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override { error_ = DumpCounters(*socket_, family_, table_, messages_); }
  void OnOK() override {
    if (error_) {
      deferred_.Reject(MakeError(Env(), "counters", error_).Value());
    } else {
      deferred_.Resolve(Napi::Buffer<uint8_t>::Copy(Env(), messages_.data(), messages_.size()));
    }
  }

  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<NetlinkSocket> socket_;
  const uint8_t family_;
  const std::string table_;
  std::vector<uint8_t> messages_;
  int error_ = 0;
};

std::string Text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsString() ? value.ToString().Utf8Value() : std::string();
}

bool IsName(const std::string& text) { return !text.empty() && text.size() < NFT_NAME_MAXLEN; }

/** Reads `{ family, fields }`; nothing of it is no mistake. Returns false for what is not known. */
bool ReadHash(const Napi::Value& value, NftChoices& choices) {
  if (!value.IsObject()) return true;
  static constexpr std::pair<std::string_view, NftField> kFields[] = {
      {"src", NftField::kSource},      {"sport", NftField::kSourcePort},
      {"dst", NftField::kDestination}, {"dport", NftField::kDestinationPort},
      {"proto", NftField::kProtocol},
  };
  const auto hash = value.As<Napi::Object>();
  choices.ipv6 = hash.Get("family").ToNumber().Uint32Value() == 6;
  const Napi::Value names = hash.Get("fields");
  if (!names.IsArray()) return false;
  const auto all = names.As<Napi::Array>();
  // Each at most once, so that they have room in the registers.
  if (all.Length() == 0 || all.Length() > std::size(kFields)) return false;
  for (uint32_t i = 0; i < all.Length(); i++) {
    const std::string name = all.Get(i).ToString().Utf8Value();
    const auto* known =
        std::ranges::find(kFields, std::string_view(name), [](const auto& one) { return one.first; });
    if (known == std::end(kFields)) return false;
    if (std::ranges::find(choices.fields, known->second) != choices.fields.end()) return false;
    choices.fields.push_back(known->second);
  }
  return true;
}

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
  if (!ReadHash(object.Get("hash"), choices)) return false;
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
                         InstanceMethod<&NftWriter::Counters>("counters"),
                         InstanceMethod<&NftWriter::Close>("close"),
                     });
}

NftWriter::NftWriter(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NftWriter>(info), reading_(std::make_shared<NetlinkSocket>()) {
  int error = OpenNft(writing_);
  if (!error) error = OpenNft(*reading_);
  if (error) MakeError(info.Env(), error).ThrowAsJavaScriptException();
}

Napi::Value NftWriter::Write(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto refuse = [&](const char* why) {
    Napi::TypeError::New(env, why).ThrowAsJavaScriptException();
    return env.Undefined();
  };
  if (writing_.fd() < 0) return refuse("the writer is closed");
  if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsArray()) return refuse("write(family, choices)");
  NftBatch batch(static_cast<uint8_t>(info[0].ToNumber().Uint32Value()));
  const auto all = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < all.Length(); i++) {
    const Napi::Value one = all.Get(i);
    NftChoices choices;
    if (!one.IsObject() || !ReadChoices(one.As<Napi::Object>(), choices)) {
      return refuse("choices need the names of a table and of chains, and a target for each place");
    }
    AddChoices(batch, choices, kChoicesIds * i + 1);
  }
  uint16_t failed = 0;
  if (const int error = batch.Send(writing_, failed)) {
    MakeError(env, StepName(failed), error).ThrowAsJavaScriptException();
  }
  return env.Undefined();
}

Napi::Value NftWriter::Counters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!reading_ || info.Length() < 2 || !info[0].IsNumber() || !info[1].IsString()) {
    Napi::TypeError::New(env, "counters(family, table) of a writer that is open")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  // It deletes itself.
  auto* read = new CountersRead(env, reading_, static_cast<uint8_t>(info[0].ToNumber().Uint32Value()),
                                info[1].ToString().Utf8Value());
  const Napi::Promise promise = read->promise();
  read->Queue();
  return promise;
}

void NftWriter::Close(const Napi::CallbackInfo&) {
  writing_.Close();
  reading_.reset();
}

}  // namespace wanmark
