#include "js/conntrack_news.h"

#include <utility>

#include "js/call.h"
#include "js/error.h"
#include "js/exclusion.h"
#include "js/options.h"

namespace wanmark {

Napi::Function ConntrackNews::Define(Napi::Env env) {
  return DefineClass(env, "ConntrackNews",
                     {
                         InstanceMethod<&ConntrackNews::Read>("read"),
                         InstanceMethod<&ConntrackNews::Exclude>("exclude"),
                         InstanceMethod<&ConntrackNews::Close>("close"),
                     });
}

ConntrackNews::ConntrackNews(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ConntrackNews>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsFunction()) {
    Napi::TypeError::New(env, "ConntrackNews(options, onReadable)").ThrowAsJavaScriptException();
    return;
  }
  const Napi::Object options = info[0].As<Napi::Object>();
  const Napi::Value exclusion = options.Get("exclusion");
  if (!exclusion.IsUndefined()) {
    auto read = ReadExclusion(exclusion, probe_ports_);
    if (!read) return;
    news_.Exclude(std::move(read));
  }
  CtNewsStep failed;
  if (const int error = news_.Open(NumberOption(options, "mask"), NumberOption(options, "receiveBuffer"),
                                   NumberOption(options, "mostReceiveBuffer"), failed)) {
    MakeError(env, failed == CtNewsStep::kEvents ? "events" : "socket", error).ThrowAsJavaScriptException();
    return;
  }
  int error = watch_.Open(env, news_.fd(),
                          {
                              .on_readable = [this](int) { OnReadable(); },
                              .close = [this] { news_.Close(); },
                              .on_env_gone =
                                  [this] {
                                    on_readable_.Reset();
                                    arrays_.Reset();
                                    probe_ports_.Reset();
                                    async_context_.reset();
                                  },
                          });
  if (!error) {
    watch_.Unref();
    error = watch_.Await();
    if (error) watch_.Close();
  }
  if (error) {
    MakeError(env, "loop", error).ThrowAsJavaScriptException();
    return;
  }
  MakeArrays(info.This().As<Napi::Object>(), NumberOption(options, "capacity"));
  on_readable_ = Napi::Persistent(info[1].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "wanmark.ConntrackNews");
  Ref();
}

void ConntrackNews::MakeArrays(Napi::Object self, uint32_t capacity) {
  const Napi::Env env = Env();
  const Napi::Object arrays = Napi::Object::New(env);
  const auto make = [&]<typename Item>(const char* name, uint32_t length) {
    auto array = Napi::TypedArrayOf<Item>::New(env, length);
    arrays.Set(name, array);
    self.Set(name, array);
    return array.Data();
  };
  begun_.capacity = capacity;
  begun_.family = make.operator()<uint8_t>("family", capacity);
  begun_.proto = make.operator()<uint8_t>("proto", capacity);
  begun_.src = make.operator()<uint8_t>("src", 16 * capacity);
  begun_.dst = make.operator()<uint8_t>("dst", 16 * capacity);
  begun_.sport = make.operator()<uint16_t>("sport", capacity);
  begun_.dport = make.operator()<uint16_t>("dport", capacity);
  begun_.mark = make.operator()<uint32_t>("mark", capacity);
  arrays_ = Napi::Persistent(arrays);
}

void ConntrackNews::OnReadable() {
  // Until the next read. A negative status means ENOBUFS, which that takes; libuv has stopped the handle then
  // as well.
  watch_.Pause();
  const napi_env env = Env();
  const Napi::HandleScope scope(env);
  const Napi::CallbackScope callback_scope(env, *async_context_);
  NotifyJs(on_readable_, {});
}

Napi::Value ConntrackNews::Read(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!watch_.is_open()) return env.Undefined();
  size_t count = 0;
  bool lost = false;
  bool more = false;
  int error = news_.Read(begun_, count, lost, more);
  if (!error && !more) error = watch_.Await();
  if (error) {
    MakeError(env, "events", error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("count", Napi::Number::New(env, static_cast<double>(count)));
  result.Set("lost", Napi::Boolean::New(env, lost));
  result.Set("more", Napi::Boolean::New(env, more));
  return result;
}

void ConntrackNews::Exclude(const Napi::CallbackInfo& info) {
  if (auto exclusion = ReadExclusion(info[0], probe_ports_)) news_.Exclude(std::move(exclusion));
}

void ConntrackNews::Close(const Napi::CallbackInfo&) {
  if (!watch_.is_open()) return;
  watch_.Close();
  on_readable_.Reset();
  arrays_.Reset();
  probe_ports_.Reset();
  Unref();
}

}  // namespace wanmark
