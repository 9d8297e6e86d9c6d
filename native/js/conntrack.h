// The JS object of a conntrack counter. It starts and ends the counter's thread and lends JS the counts.
// Three requests beside it need no counter and return promises: flushConntrack(mark, mask),
// lookupConntrack(tuples) and forgetConntrack(questions, mask, unanswered).
#pragma once

#include <napi.h>

#include <memory>

#include "conntrack/loop.h"
#include "js/thread.h"

namespace wanmark {

/**
 * The counter is open from construction on. While it is open it holds a reference to itself and an env
 * cleanup hook.
 */
class Conntrack : public Napi::ObjectWrap<Conntrack>, private JsThread::Owner {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Value Flush(const Napi::CallbackInfo& info);
  static Napi::Value Lookup(const Napi::CallbackInfo& info);
  static Napi::Value Forget(const Napi::CallbackInfo& info);

  explicit Conntrack(const Napi::CallbackInfo& info);

 private:
  /** For JS: close(onClosed). */
  void Close(const Napi::CallbackInfo& info);
  void CloseNow(const Napi::CallbackInfo& info);
  /** For JS: exclude({to, self, probePorts}); see CtExclusion. */
  void Exclude(const Napi::CallbackInfo& info);
  Napi::Value GetStats(const Napi::CallbackInfo& info);
  void RefLoop(const Napi::CallbackInfo& info);
  void UnrefLoop(const Napi::CallbackInfo& info);

  /** Gives JS `counts` and `decided`, typed arrays over memory_. */
  void LendMemory(Napi::Object self);
  /** Calls onEvent(kind, value) in JS. What it throws becomes an uncaught exception. */
  void Emit(const char* kind, napi_value value);
  /** Gives up all that refers to JS, while the environment still stands. */
  void ReleaseJs();

  void OnWake() override;
  void RequestEnd(bool) override { loop_->RequestClose(); }
  void OnClosed() override;
  void OnTeardown() override { ReleaseJs(); }

  // The memory is shared with the finalizer of the ArrayBuffer, since JS may read the counts of a closed
  // counter.
  std::shared_ptr<CountMemory> memory_;
  CtStats stats_;
  std::unique_ptr<CtLoop> loop_;
  // The thread stands after loop_, so it is joined before the loop is destroyed.
  JsThread thread_{*this};
  bool told_ready_ = false;
  // This keeps the memory that the exclusion points into.
  Napi::Reference<Napi::Uint8Array> probe_ports_;
  Napi::FunctionReference on_event_;
  Napi::FunctionReference on_closed_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace wanmark
