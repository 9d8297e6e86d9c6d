// The JS object of a queue: starts and ends the I/O thread, and answers its questions on the JS thread.
#pragma once

#include <napi.h>

#include <memory>

#include "js/thread.h"
#include "queue/batch_memory.h"
#include "queue/loop.h"

namespace wanmark {

/**
 * Open from construction on. While it is open it holds a reference to itself and an env cleanup hook, so that
 * neither the garbage collector nor the end of a worker thread can leave packets without a verdict.
 */
class Queue : public Napi::ObjectWrap<Queue>, private JsThread::Owner {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit Queue(const Napi::CallbackInfo& info);

 private:
  /** close(onClosed) */
  void Close(const Napi::CallbackInfo& info);
  void CloseNow(const Napi::CallbackInfo& info);
  Napi::Value GetStats(const Napi::CallbackInfo& info);
  void Ping(const Napi::CallbackInfo& info);
  Napi::Value Forget(const Napi::CallbackInfo& info);
  void RefLoop(const Napi::CallbackInfo& info);
  void UnrefLoop(const Napi::CallbackInfo& info);

  /** The typed arrays over memory_, named as in src/core/batch.ts. */
  Napi::Object MakeBatch(Napi::Env env);
  void Decide(uint32_t count);
  void ReportTrouble();
  /** Tells JS that it was late, and that a ping came back. */
  void ReportSigns();
  /** onEvent(kind, value). What it throws becomes an uncaught exception. */
  void Emit(const char* kind, napi_value value);
  /** Gives up what refers to JS, while the environment still stands. */
  void ReleaseJs();

  void OnWake() override;
  /** What is queued and unanswered is left to the kernel. */
  void RequestEnd(bool unanswered) override;
  void OnClosed() override;
  void OnTeardown() override { ReleaseJs(); }

  // Shared with the finalizer of the ArrayBuffer: whichever of the two goes last frees it. A buffer that was
  // transferred away by mistake therefore never pulls the memory from under the I/O thread.
  std::shared_ptr<BatchMemory> memory_;
  // What is left of a closed queue.
  Stats stats_;
  std::unique_ptr<QueueLoop> loop_;
  // After loop_, so that it is joined before the loop goes.
  JsThread thread_{*this};
  uint32_t receive_buffer_ = 0;
  Napi::FunctionReference decide_;
  Napi::FunctionReference on_event_;
  Napi::FunctionReference on_closed_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace wanmark
