// The JS object of a conntrack counter: starts and ends its thread and lends JS the counts. Beside it the two
// questions that need no counter: flushConntrack(mark, mask) and lookupConntrack(tuple), which return
// promises.
#pragma once

#include <napi.h>
#include <node_api.h>
#include <uv.h>

#include <memory>

#include "ct_loop.h"
#include "thread.h"

namespace wanmark {

/** Open from construction on. While it is open it holds a reference to itself and an env cleanup hook. */
class Conntrack : public Napi::ObjectWrap<Conntrack> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Value Flush(const Napi::CallbackInfo& info);
  static Napi::Value Lookup(const Napi::CallbackInfo& info);

  explicit Conntrack(const Napi::CallbackInfo& info);

 private:
  enum class State { kFailed, kOpen, kClosing, kClosed };

  /** What the async cleanup hook and the uv handle need after the JS object is gone. */
  struct Wake {
    uv_async_t handle;
    // Null once the environment is being torn down: then no JS may run.
    Conntrack* owner;
    napi_async_cleanup_hook_handle hook;
  };

  /** close(onClosed) */
  void Close(const Napi::CallbackInfo& info);
  void CloseNow(const Napi::CallbackInfo& info);
  Napi::Value GetStats(const Napi::CallbackInfo& info);
  void RefLoop(const Napi::CallbackInfo& info);
  void UnrefLoop(const Napi::CallbackInfo& info);

  void ThrowOpenError(Napi::Env env, const char* step, int error);
  /** `counts` and `decided`, typed arrays over memory_. */
  void LendMemory(Napi::Object self);
  void OnWake();
  void Call(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args);
  void StopThread();
  void CloseHandle();
  void OnHandleClosed();
  void ReleaseJs();

  static void OnEnvCleanup(napi_async_cleanup_hook_handle hook, void* wake);

  State state_ = State::kFailed;
  // Shared with the finalizer of the ArrayBuffer: JS may read the counts of a counter that is closed.
  std::shared_ptr<CountMemory> memory_;
  CtStats stats_;
  std::unique_ptr<CtLoop> loop_;
  // After loop_, so that it is joined before the loop goes.
  Thread thread_;
  Wake* wake_ = nullptr;
  bool told_ready_ = false;
  Napi::FunctionReference on_event_;
  Napi::FunctionReference on_closed_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace wanmark
