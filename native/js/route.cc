#include "js/route.h"

#include <cstdint>
#include <span>
#include <vector>

#include "js/error.h"
#include "route/rtnetlink.h"

namespace wanmark {

namespace {

uint16_t Short(const Napi::Value& value) { return static_cast<uint16_t>(value.ToNumber().Uint32Value()); }

/** The bytes of a Uint8Array; none of anything else. They belong to JS, so they must not outlive the call. */
std::span<const uint8_t> Bytes(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return {};
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ElementLength()};
}

Napi::Value Answer(Napi::Env env, int error, const std::vector<uint8_t>& bytes) {
  if (error) {
    MakeError(env, error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
}

Napi::Value Dump(const Napi::CallbackInfo& info, int protocol) {
  std::vector<uint8_t> messages;
  const int error = RouteDump(Short(info[0]), Bytes(info[1]), messages, protocol);
  return Answer(info.Env(), error, messages);
}

Napi::Value Request(const Napi::CallbackInfo& info, int protocol) {
  std::vector<uint8_t> message;
  const int error = RouteRequest(Short(info[0]), Short(info[1]), Bytes(info[2]), message, protocol);
  return Answer(info.Env(), error, message);
}

/** A dump on a thread of libuv's pool: the kernel takes milliseconds to tell thousands of routes or rules. */
class LaterDump : public Napi::AsyncWorker {
 public:
  LaterDump(const Napi::CallbackInfo& info, int protocol)
      : Napi::AsyncWorker(info.Env()),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        protocol_(protocol),
        type_(Short(info[0])) {
    const auto body = Bytes(info[1]);
    body_.assign(body.begin(), body.end());
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override { error_ = RouteDump(type_, body_, messages_, protocol_); }
  void OnOK() override {
    if (error_) {
      deferred_.Reject(MakeError(Env(), error_).Value());
    } else {
      deferred_.Resolve(Napi::Buffer<uint8_t>::Copy(Env(), messages_.data(), messages_.size()));
    }
  }

  const Napi::Promise::Deferred deferred_;
  const int protocol_;
  const uint16_t type_;
  std::vector<uint8_t> body_;
  std::vector<uint8_t> messages_;
  int error_ = 0;
};

Napi::Value DumpLater(const Napi::CallbackInfo& info, int protocol) {
  // It deletes itself when it has been told.
  auto* dump = new LaterDump(info, protocol);
  const Napi::Promise promise = dump->promise();
  dump->Queue();
  return promise;
}

}  // namespace

Napi::Value RouteDumpForJs(const Napi::CallbackInfo& info) { return Dump(info, NETLINK_ROUTE); }

Napi::Value RouteRequestForJs(const Napi::CallbackInfo& info) { return Request(info, NETLINK_ROUTE); }

Napi::Value NetfilterDumpForJs(const Napi::CallbackInfo& info) { return Dump(info, NETLINK_NETFILTER); }

Napi::Value RouteDumpLaterForJs(const Napi::CallbackInfo& info) { return DumpLater(info, NETLINK_ROUTE); }

Napi::Value NetfilterDumpLaterForJs(const Napi::CallbackInfo& info) {
  return DumpLater(info, NETLINK_NETFILTER);
}

Napi::Value NetfilterRequestForJs(const Napi::CallbackInfo& info) { return Request(info, NETLINK_NETFILTER); }

}  // namespace wanmark
