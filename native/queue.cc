#include "queue.h"

#include <linux/netfilter.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "js_options.h"

namespace wanmark {

namespace {

uint64_t MonotonicMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

LoopOptions ReadOptions(const Napi::Object& object) {
  LoopOptions options;
  options.queue.num = static_cast<uint16_t>(NumberOption(object, "num"));
  options.queue.max_length = NumberOption(object, "maxLen");
  options.queue.copy_range = BatchMemory::kCopyBytes;
  options.queue.fail_open = BooleanOption(object, "failOpen");
  options.queue.receive_buffer = NumberOption(object, "receiveBuffer");
  options.mask = NumberOption(object, "mask");
  options.deadline = std::chrono::milliseconds(NumberOption(object, "deadlineMs"));
  options.cache_ms = NumberOption(object, "cacheMs");
  options.verdict = BooleanOption(object, "repeat") ? NF_REPEAT : NF_ACCEPT;
  const Napi::Value notice = object.Get("lateNotice");
  if (notice.IsString()) options.late_notice = notice.As<Napi::String>().Utf8Value();
  options.now_ms = MonotonicMs;
  return options;
}

const char* StepName(OpenStep step) {
  switch (step) {
    case OpenStep::kPrivilege:
      return "privilege";
    case OpenStep::kBind:
      return "bind";
    default:
      return "socket";
  }
}

}  // namespace

Napi::Function Queue::Define(Napi::Env env) {
  return DefineClass(env, "Queue",
                     {
                         InstanceMethod<&Queue::Close>("close"),
                         InstanceMethod<&Queue::CloseNow>("closeNow"),
                         InstanceMethod<&Queue::GetStats>("stats"),
                         InstanceMethod<&Queue::Ping>("ping"),
                         InstanceMethod<&Queue::Forget>("forget"),
                         InstanceMethod<&Queue::RefLoop>("ref"),
                         InstanceMethod<&Queue::UnrefLoop>("unref"),
                     });
}

Queue::Queue(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Queue>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[0].IsObject() || !info[1].IsFunction() || !info[2].IsFunction()) {
    Napi::TypeError::New(env, "Queue(options, decide, onEvent)").ThrowAsJavaScriptException();
    return;
  }
  const LoopOptions options = ReadOptions(info[0].As<Napi::Object>());
  uv_loop_t* uv_loop = nullptr;
  if (napi_get_uv_event_loop(env, &uv_loop) != napi_ok) {
    ThrowOpenError(env, "loop", EINVAL);
    return;
  }
  NetlinkSocket socket;
  const OpenResult opened = OpenQueue(socket, options.queue);
  if (opened.failed != OpenStep::kNone) {
    ThrowOpenError(env, StepName(opened.failed), opened.error);
    return;
  }
  receive_buffer_ = opened.receive_buffer;

  auto wake = std::make_unique<Wake>();
  wake->queue = this;
  wake->handle.data = wake.get();
  const int error = uv_async_init(uv_loop, &wake->handle, [](uv_async_t* handle) {
    if (Queue* queue = static_cast<Wake*>(handle->data)->queue) queue->OnWake();
  });
  if (error) {
    ThrowOpenError(env, "loop", -error);
    return;
  }
  wake_ = wake.release();
  napi_add_async_cleanup_hook(env, OnEnvCleanup, wake_, &wake_->hook);

  memory_ = std::make_shared<BatchMemory>();
  decide_ = Napi::Persistent(info[1].As<Napi::Function>());
  on_event_ = Napi::Persistent(info[2].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "wanmark.Queue");
  info.This().As<Napi::Object>().Set("batch", MakeBatch(env));

  loop_ = std::make_unique<QueueLoop>(options, std::move(socket), *memory_, stats_,
                                      [wake = wake_] { uv_async_send(&wake->handle); });
  const int thread_error =
      thread_.Start("nfqueue-" + std::to_string(options.queue.num), [loop = loop_.get()] { loop->Run(); });
  if (thread_error) {
    // The throw deletes this object, but the handle lives until its close callback.
    wake_->queue = nullptr;
    CloseHandle();
    ThrowOpenError(env, "thread", thread_error);
    return;
  }
  state_ = State::kOpen;
  Ref();
}

void Queue::ThrowOpenError(Napi::Env env, const char* step, int error) {
  Napi::Error exception = Napi::Error::New(env, std::strerror(error));
  exception.Set("step", Napi::String::New(env, step));
  exception.Set("errno", Napi::Number::New(env, error));
  exception.ThrowAsJavaScriptException();
}

Napi::Object Queue::MakeBatch(Napi::Env env) {
  struct Field {
    const char* name;
    napi_typedarray_type type;
    size_t length;
    size_t offset;
  };
  constexpr size_t n = BatchMemory::kCapacity;
  constexpr Field fields[] = {
      {"family", napi_uint8_array, n, offsetof(BatchMemory, family)},
      {"proto", napi_uint8_array, n, offsetof(BatchMemory, proto)},
      {"flags", napi_uint8_array, n, offsetof(BatchMemory, flags)},
      {"src", napi_uint8_array, n * 16, offsetof(BatchMemory, src)},
      {"dst", napi_uint8_array, n * 16, offsetof(BatchMemory, dst)},
      {"sport", napi_uint16_array, n, offsetof(BatchMemory, sport)},
      {"dport", napi_uint16_array, n, offsetof(BatchMemory, dport)},
      {"inIfindex", napi_uint32_array, n, offsetof(BatchMemory, in_ifindex)},
      {"outIfindex", napi_uint32_array, n, offsetof(BatchMemory, out_ifindex)},
      {"oldMark", napi_uint32_array, n, offsetof(BatchMemory, old_mark)},
      {"length", napi_uint32_array, n, offsetof(BatchMemory, length)},
      {"copied", napi_uint8_array, n, offsetof(BatchMemory, copied)},
      {"bytes", napi_uint8_array, n * BatchMemory::kCopyBytes, offsetof(BatchMemory, bytes)},
      {"marks", napi_uint32_array, n, offsetof(BatchMemory, marks)},
  };
  auto* share = new std::shared_ptr<BatchMemory>(memory_);
  const auto buffer = Napi::ArrayBuffer::New(
      env, memory_.get(), sizeof(BatchMemory),
      [](Napi::Env, void*, std::shared_ptr<BatchMemory>* share) { delete share; }, share);
  Napi::Object batch = Napi::Object::New(env);
  batch.Set("capacity", Napi::Number::New(env, n));
  for (const Field& field : fields) {
    napi_value array;
    if (napi_create_typedarray(env, field.type, field.length, buffer, field.offset, &array) == napi_ok) {
      batch.Set(field.name, array);
    }
  }
  return batch;
}

void Queue::OnWake() {
  const Napi::HandleScope scope(Env());
  if (const uint32_t count = loop_->handoff().Take()) Decide(count);
  ReportTrouble();
  ReportSigns();
  if (loop_->finished()) {
    thread_.Join();
    CloseHandle();
  }
}

void Queue::Decide(uint32_t count) {
  const Napi::CallbackScope scope(Env(), *async_context_);
  const Napi::Value thrown = CallJs(decide_, {Napi::Number::New(Env(), count)});
  // Before anything else runs in JS (onEvent, then microtasks): packets are waiting for it.
  loop_->handoff().Answer();
  if (thrown.IsEmpty()) return;
  stats_.callback_errors.Add();
  Emit("callback", thrown);
}

void Queue::ReportTrouble() {
  const uint32_t trouble = loop_->TakeTrouble();
  if (trouble == 0) return;
  const Napi::CallbackScope scope(Env(), *async_context_);
  const Napi::Number error = Napi::Number::New(Env(), loop_->last_errno());
  if (trouble & kTroublePermission) Emit("permission", error);
  if (trouble & kTroubleGone) Emit("gone", error);
  if (trouble & kTroubleSocket) Emit("socket", error);
}

void Queue::ReportSigns() {
  const auto late_ms = loop_->handoff().TakeLateness().count();
  const bool pong = loop_->TakePong();
  if (late_ms == 0 && !pong) return;
  const Napi::CallbackScope scope(Env(), *async_context_);
  if (late_ms > 0) Emit("late", Napi::Number::New(Env(), static_cast<double>(late_ms)));
  if (pong) Emit("pong", Env().Undefined());
}

Napi::Value Queue::CallJs(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args) {
  const napi_env env = Env();
  napi_value result;
  // Not Napi::Function::Call: it aborts the process when JS throws null or undefined (node-addon-api 8.9,
  // seen by better-sqlite3).
  const napi_status status =
      napi_call_function(env, Env().Undefined(), callback.Value(), args.size(), args.begin(), &result);
  if (status == napi_ok) return {};
  napi_value thrown = nullptr;
  // Nothing is pending when JS may not run any more, as in a worker that is being terminated.
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) napi_get_and_clear_last_exception(env, &thrown);
  return Napi::Value(env, thrown);
}

void Queue::Emit(const char* kind, napi_value value) {
  const Napi::Value thrown = CallJs(on_event_, {Napi::String::New(Env(), kind), value});
  if (!thrown.IsEmpty()) napi_fatal_exception(Env(), thrown);
}

void Queue::Close(const Napi::CallbackInfo& info) {
  if (state_ != State::kOpen || info.Length() < 1 || !info[0].IsFunction()) return;
  state_ = State::kClosing;
  on_closed_ = Napi::Persistent(info[0].As<Napi::Function>());
  // Even of a queue that was unref'ed the end is waited for.
  uv_ref(reinterpret_cast<uv_handle_t*>(&wake_->handle));
  loop_->RequestClose();
}

void Queue::CloseNow(const Napi::CallbackInfo&) { StopThread(); }

void Queue::StopThread() {
  if (state_ != State::kOpen && state_ != State::kClosing) return;
  loop_->handoff().Abandon();
  loop_->RequestClose();
  thread_.Join();
  CloseHandle();
}

void Queue::CloseHandle() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_->handle), [](uv_handle_t* handle) {
    const std::unique_ptr<Wake> wake(static_cast<Wake*>(handle->data));
    if (wake->queue) wake->queue->OnHandleClosed();
    napi_remove_async_cleanup_hook(wake->hook);
  });
}

void Queue::OnHandleClosed() {
  const Napi::HandleScope scope(Env());
  wake_ = nullptr;
  // Now, and not when the garbage collector finds the object, which looks small to it.
  loop_.reset();
  memory_.reset();
  if (!on_closed_.IsEmpty()) {
    const Napi::CallbackScope callback_scope(Env(), *async_context_);
    const Napi::Value thrown = CallJs(on_closed_, {});
    if (!thrown.IsEmpty()) napi_fatal_exception(Env(), thrown);
  }
  ReleaseJs();
  Unref();
}

void Queue::ReleaseJs() {
  decide_.Reset();
  on_event_.Reset();
  on_closed_.Reset();
  async_context_.reset();
}

void Queue::OnEnvCleanup(napi_async_cleanup_hook_handle, void* data) {
  auto* wake = static_cast<Wake*>(data);
  // Null from now on, also for a handle that is being closed: its close callback comes when JS may not run.
  Queue* queue = std::exchange(wake->queue, nullptr);
  if (!queue) return;
  queue->StopThread();
  queue->ReleaseJs();
}

Napi::Value Queue::GetStats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  const Stats& stats = stats_;
  const auto set = [&](Napi::Object& object, const char* name, uint64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set(result, "packets", stats.packets.Get());
  set(result, "verdicts", stats.verdicts.Get());
  set(result, "batches", stats.batches.Get());
  set(result, "decisions", stats.decisions.Get());
  set(result, "cacheHits", stats.cache_hits.Get());
  set(result, "kernelDecided", stats.kernel_decided.Get());
  set(result, "marked", stats.marked.Get());
  set(result, "loops", stats.loops.Get());
  set(result, "late", stats.late.Get());
  set(result, "lateFlows", stats.late_flows.Get());
  set(result, "invalid", stats.invalid.Get());
  set(result, "callbackErrors", stats.callback_errors.Get());
  set(result, "malformed", stats.malformed.Get());
  set(result, "enobufs", stats.enobufs.Get());
  set(result, "receiveBuffer", receive_buffer_);
  Napi::Object errors = Napi::Object::New(env);
  set(errors, "enoent", stats.enoent.Get());
  set(errors, "eperm", stats.eperm.Get());
  set(errors, "enodev", stats.enodev.Get());
  set(errors, "other", stats.other_errors.Get());
  result.Set("errors", errors);
  return result;
}

void Queue::Ping(const Napi::CallbackInfo&) {
  if (loop_ && state_ == State::kOpen) loop_->Ping();
}

Napi::Value Queue::Forget(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!loop_ || info.Length() < 2 || !info[0].IsNumber() || !info[1].IsNumber()) {
    return Napi::Number::New(env, 0);
  }
  const size_t forgotten =
      loop_->Forget(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value());
  return Napi::Number::New(env, static_cast<double>(forgotten));
}

void Queue::RefLoop(const Napi::CallbackInfo&) {
  if (state_ == State::kOpen) uv_ref(reinterpret_cast<uv_handle_t*>(&wake_->handle));
}

void Queue::UnrefLoop(const Napi::CallbackInfo&) {
  if (state_ == State::kOpen) uv_unref(reinterpret_cast<uv_handle_t*>(&wake_->handle));
}

}  // namespace wanmark
