// The JS object of a queue. It starts and ends the I/O thread, and answers its questions on the JS thread.
#pragma once

#include <napi.h>

#include <memory>

#include "js/thread.h"
#include "queue/batch_memory.h"
#include "queue/loop.h"

namespace wanmark {

/**
 * The queue is open from construction on. While it is open it holds a reference to itself and an env cleanup
 * hook, so neither the garbage collector nor the end of a worker thread can leave packets without a verdict.
 */
class Queue : public Napi::ObjectWrap<Queue>, private JsThread::Owner {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit Queue(const Napi::CallbackInfo& info);

 private:
  /** For JS: close(onClosed). */
  void Close(const Napi::CallbackInfo& info);
  void CloseNow(const Napi::CallbackInfo& info);
  Napi::Value GetStats(const Napi::CallbackInfo& info);
  void Ping(const Napi::CallbackInfo& info);
  Napi::Value Forget(const Napi::CallbackInfo& info);
  void Tell(const Napi::CallbackInfo& info);
  void SetUndecidedFrom(const Napi::CallbackInfo& info);
  void RefLoop(const Napi::CallbackInfo& info);
  void UnrefLoop(const Napi::CallbackInfo& info);

  void Decide(uint32_t count);
  /** Tells JS of what happened without it; see Told. */
  void ReportTold();
  /** Calls onTold for nothing when a sequence of choices has become short. */
  void ReportShort();
  void ReportTrouble();
  /** Tells JS that it was late, and that a ping came back. */
  void ReportSigns();
  /** Calls onEvent(kind, value) in JS. What it throws becomes an uncaught exception. */
  void Emit(const char* kind, napi_value value);
  /** Gives up all that refers to JS, while the environment still stands. */
  void ReleaseJs();

  void OnWake() override;
  /** Leaves to the kernel what is queued and will not be answered. */
  void RequestEnd(bool unanswered) override;
  void OnClosed() override;
  void OnTeardown() override { ReleaseJs(); }

  // Memory is shared with the finalizer of its ArrayBuffer, and whichever of the two goes last frees it.
  // A buffer that was transferred away by mistake therefore never pulls the memory from under the I/O thread.
  std::shared_ptr<BatchMemory> memory_;
  std::shared_ptr<ToldMemory> told_memory_;
  std::shared_ptr<Plans> plans_;
  // The counters of a closed queue can still be read.
  Stats stats_;
  std::unique_ptr<QueueLoop> loop_;
  // The thread stands after loop_, so it is joined before the loop is destroyed.
  JsThread thread_{*this};
  uint32_t receive_buffer_ = 0;
  bool telling_ = false;
  Napi::FunctionReference decide_;
  Napi::FunctionReference on_told_;
  Napi::FunctionReference on_event_;
  Napi::FunctionReference on_closed_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace wanmark
