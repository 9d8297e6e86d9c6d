#include "js/route_news.h"

#include <cerrno>
#include <cstdint>
#include <utility>
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
  uv_loop_t* loop = nullptr;
  auto watch = std::make_unique<Watch>();
  watch->owner = this;
  watch->handle.data = watch.get();
  const int error = napi_get_uv_event_loop(env, &loop) == napi_ok
                        ? -uv_poll_init(loop, &watch->handle, socket_.fd())
                        : EINVAL;
  if (error) {
    MakeError(env, error).ThrowAsJavaScriptException();
    return;
  }
  watch_ = watch.release();
  uv_unref(reinterpret_cast<uv_handle_t*>(&watch_->handle));
  napi_add_async_cleanup_hook(env, OnEnvCleanup, watch_, &watch_->hook);
  if (const int refused = Await()) {
    StopWatching();
    MakeError(env, refused).ThrowAsJavaScriptException();
    return;
  }
  on_readable_ = Napi::Persistent(info[1].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "wanmark.RouteNews");
  Ref();
}

int RouteNews::Await() {
  return -uv_poll_start(&watch_->handle, UV_READABLE, [](uv_poll_t* handle, int, int) {
    // A negative status means ENOBUFS, which the next read takes; libuv has stopped the handle then as well.
    uv_poll_stop(handle);
    if (RouteNews* owner = static_cast<Watch*>(handle->data)->owner) owner->OnReadable();
  });
}

void RouteNews::OnReadable() {
  const napi_env env = Env();
  const Napi::HandleScope scope(env);
  const Napi::CallbackScope callback_scope(env, *async_context_);
  NotifyJs(on_readable_, {});
}

Napi::Value RouteNews::Read(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!watch_) return env.Undefined();
  std::vector<uint8_t> messages;
  bool lost = false;
  bool more = false;
  int error = socket_.Read(messages, lost, more);
  if (!error) error = Await();
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
  if (!watch_) return;
  StopWatching();
  on_readable_.Reset();
  Unref();
}

void RouteNews::StopWatching() {
  Watch* watch = std::exchange(watch_, nullptr);
  watch->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), [](uv_handle_t* handle) {
    const std::unique_ptr<Watch> watch(static_cast<Watch*>(handle->data));
    napi_remove_async_cleanup_hook(watch->hook);
  });
  // A descriptor may be closed right after uv_close() (libuv: uv_poll_t).
  socket_.Close();
}

void RouteNews::OnEnvCleanup(napi_async_cleanup_hook_handle, void* data) {
  auto* watch = static_cast<Watch*>(data);
  // The owner is null when it is being closed already; its close callback will come.
  if (!watch->owner) return;
  RouteNews* owner = watch->owner;
  owner->StopWatching();
  owner->on_readable_.Reset();
  owner->async_context_.reset();
}

}  // namespace wanmark
