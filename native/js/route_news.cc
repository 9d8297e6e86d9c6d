#include "js/route_news.h"

#include <cstdint>
#include <vector>

#include "js/call.h"
#include "js/error.h"

namespace wanmark {

namespace {

std::vector<uint32_t> Numbers(const Napi::Array& array) {
  std::vector<uint32_t> numbers(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) numbers[i] = array.Get(i).ToNumber().Uint32Value();
  return numbers;
}

}  // namespace

Napi::Function RouteNews::Define(Napi::Env env) {
  return DefineClass(env, "RouteNews",
                     {
                         InstanceMethod<&RouteNews::Read>("read"),
                         InstanceMethod<&RouteNews::Close>("close"),
                     });
}

RouteNews::RouteNews(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RouteNews>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsArray() || !info[1].IsFunction()) {
    Napi::TypeError::New(env, "RouteNews(groups, onReadable)").ThrowAsJavaScriptException();
    return;
  }
  if (const int error = socket_.Open(Numbers(info[0].As<Napi::Array>()))) {
    MakeError(env, error).ThrowAsJavaScriptException();
    return;
  }
  int error = watch_.Open(env, socket_.fd(),
                          {
                              .on_readable = [this](int) { OnReadable(); },
                              .close = [this] { socket_.Close(); },
                              .on_env_gone =
                                  [this] {
                                    on_readable_.Reset();
                                    async_context_.reset();
                                  },
                          });
  if (!error) {
    watch_.Unref();
    error = watch_.Await();
    if (error) watch_.Close();
  }
  if (error) {
    MakeError(env, error).ThrowAsJavaScriptException();
    return;
  }
  on_readable_ = Napi::Persistent(info[1].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "wanmark.RouteNews");
  Ref();
}

void RouteNews::OnReadable() {
  // Until the next read. A negative status means ENOBUFS, which that takes; libuv has stopped the handle then
  // as well.
  watch_.Pause();
  const napi_env env = Env();
  const Napi::HandleScope scope(env);
  const Napi::CallbackScope callback_scope(env, *async_context_);
  NotifyJs(on_readable_, {});
}

Napi::Value RouteNews::Read(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!watch_.is_open()) return env.Undefined();
  std::vector<uint8_t> messages;
  bool lost = false;
  bool more = false;
  int error = socket_.Read(messages, lost, more);
  if (!error) error = watch_.Await();
  if (error) {
    MakeError(env, error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("messages", Napi::Buffer<uint8_t>::Copy(env, messages.data(), messages.size()));
  result.Set("lost", Napi::Boolean::New(env, lost));
  result.Set("more", Napi::Boolean::New(env, more));
  return result;
}

void RouteNews::Close(const Napi::CallbackInfo&) {
  if (!watch_.is_open()) return;
  watch_.Close();
  on_readable_.Reset();
  Unref();
}

}  // namespace wanmark
