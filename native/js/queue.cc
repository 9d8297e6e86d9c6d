#include "js/queue.h"

#include <linux/netfilter.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "base/mapped_array.h"
#include "js/call.h"
#include "js/clock.h"
#include "js/error.h"
#include "js/options.h"
#include "js/plans.h"

namespace wanmark {

namespace {

LoopOptions ReadOptions(const Napi::Object& object) {
  LoopOptions options;
  options.queue.num = static_cast<uint16_t>(NumberOption(object, "num"));
  options.queue.max_length = NumberOption(object, "maxLen");
  options.queue.copy_range = kCopyBytes;
  options.queue.fail_open = BooleanOption(object, "failOpen");
  options.queue.receive_buffer = NumberOption(object, "receiveBuffer");
  options.mask = NumberOption(object, "mask");
  options.undecided_from = NumberOption(object, "undecidedFrom");
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

struct Field {
  const char* name;
  napi_typedarray_type type;
  size_t length;
  size_t offset;
};

/** Makes typed arrays over the columns of packets, named as in src/core/batch.ts. */
template <typename Memory>
Napi::Object MakeBatch(Napi::Env env, const std::shared_ptr<Memory>& memory) {
  constexpr size_t n = Memory::kCapacity;
  constexpr Field fields[] = {
      {"family", napi_uint8_array, n, offsetof(Memory, family)},
      {"proto", napi_uint8_array, n, offsetof(Memory, proto)},
      {"flags", napi_uint8_array, n, offsetof(Memory, flags)},
      {"src", napi_uint8_array, n * 16, offsetof(Memory, src)},
      {"dst", napi_uint8_array, n * 16, offsetof(Memory, dst)},
      {"sport", napi_uint16_array, n, offsetof(Memory, sport)},
      {"dport", napi_uint16_array, n, offsetof(Memory, dport)},
      {"inIfindex", napi_uint32_array, n, offsetof(Memory, in_ifindex)},
      {"outIfindex", napi_uint32_array, n, offsetof(Memory, out_ifindex)},
      {"oldMark", napi_uint32_array, n, offsetof(Memory, old_mark)},
      {"length", napi_uint32_array, n, offsetof(Memory, length)},
      {"atMs", napi_float64_array, n, offsetof(Memory, at_ms)},
      {"mac", napi_float64_array, n, offsetof(Memory, mac)},
      {"copied", napi_uint8_array, n, offsetof(Memory, copied)},
      {"bytes", napi_uint8_array, n * kCopyBytes, offsetof(Memory, bytes)},
      {"marks", napi_uint32_array, n, offsetof(Memory, marks)},
  };
  auto* share = new std::shared_ptr<Memory>(memory);
  const auto buffer = Napi::ArrayBuffer::New(
      env, memory.get(), sizeof(Memory),
      [](Napi::Env, void*, std::shared_ptr<Memory>* share) { delete share; }, share);
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

}  // namespace

Napi::Function Queue::Define(Napi::Env env) {
  return DefineClass(env, "Queue",
                     {
                         InstanceMethod<&Queue::Close>("close"),
                         InstanceMethod<&Queue::CloseNow>("closeNow"),
                         InstanceMethod<&Queue::GetStats>("stats"),
                         InstanceMethod<&Queue::Ping>("ping"),
                         InstanceMethod<&Queue::Tell>("tell"),
                         InstanceMethod<&Queue::Forget>("forget"),
                         InstanceMethod<&Queue::SetUndecidedFrom>("setUndecidedFrom"),
                         InstanceMethod<&Queue::RefLoop>("ref"),
                         InstanceMethod<&Queue::UnrefLoop>("unref"),
                     });
}

Queue::Queue(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Queue>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 4 || !info[0].IsObject() || !info[1].IsFunction() || !info[2].IsFunction() ||
      !info[3].IsFunction()) {
    Napi::TypeError::New(env, "Queue(options, decide, onTold, onEvent)").ThrowAsJavaScriptException();
    return;
  }
  const LoopOptions options = ReadOptions(info[0].As<Napi::Object>());
  NetlinkSocket socket;
  const OpenResult opened = OpenQueue(socket, options.queue);
  if (opened.failed != OpenStep::kNone) {
    MakeError(env, StepName(opened.failed), opened.error).ThrowAsJavaScriptException();
    return;
  }
  receive_buffer_ = opened.receive_buffer;
  const auto told = std::make_shared<MappedArray<ToldMemory>>(1);
  if (told->size() == 0) {
    MakeError(env, "thread", ENOMEM).ThrowAsJavaScriptException();
    return;
  }
  told_memory_ = std::shared_ptr<ToldMemory>(told, told->begin());

  if (const int error = thread_.Attach(env)) {
    MakeError(env, "loop", error).ThrowAsJavaScriptException();
    return;
  }
  auto self = info.This().As<Napi::Object>();
  memory_ = std::make_shared<BatchMemory>();
  const Napi::Value plans = info[0].As<Napi::Object>().Get("plans");
  // It keeps alive what the plans count in.
  self.Set("plans", plans);
  plans_ =
      plans.IsObject() ? PlansForJs::Unwrap(plans.As<Napi::Object>())->plans() : std::make_shared<Plans>();
  decide_ = Napi::Persistent(info[1].As<Napi::Function>());
  on_told_ = Napi::Persistent(info[2].As<Napi::Function>());
  on_event_ = Napi::Persistent(info[3].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "wanmark.Queue");
  self.Set("batch", MakeBatch(env, memory_));
  self.Set("told", MakeBatch(env, told_memory_));

  loop_ = std::make_unique<QueueLoop>(options, std::move(socket), *memory_, *told_memory_, *plans_, stats_,
                                      thread_.waker());
  const std::string name = "nfqueue-" + std::to_string(options.queue.num);
  if (const int error = thread_.Start(name, [loop = loop_.get()] { loop->Run(); })) {
    MakeError(env, "thread", error).ThrowAsJavaScriptException();
    return;
  }
  Ref();
}

void Queue::OnWake() {
  const Napi::HandleScope scope(Env());
  // First what came first, so that the log has the order of the decisions.
  ReportTold();
  ReportShort();
  if (const uint32_t count = loop_->handoff().Take()) {
    Decide(count);
    ReportTold();
  }
  ReportTrouble();
  ReportSigns();
  if (loop_->finished()) thread_.Ended();
}

void Queue::Decide(uint32_t count) {
  const Napi::CallbackScope scope(Env(), *async_context_);
  const Napi::Value thrown = CallJs(decide_, {Napi::Number::New(Env(), count)});
  // The answer comes before anything else runs in JS (onEvent, then microtasks), because packets are waiting
  // for it.
  loop_->handoff().Answer();
  if (thrown.IsEmpty()) return;
  stats_.callback_errors.Add();
  Emit("callback", thrown);
}

void Queue::ReportTold() {
  // What is being told may make somebody want to be told.
  if (!loop_ || std::exchange(telling_, true)) return;
  Told& told = loop_->told();
  // Not more than was there at the beginning: what comes meanwhile has its own wake-up.
  uint32_t left = told.Count();
  while (left > 0) {
    const Napi::CallbackScope scope(Env(), *async_context_);
    const uint32_t count = std::min(left, told.Run());
    NotifyJs(on_told_, {Napi::Number::New(Env(), told.place()), Napi::Number::New(Env(), count)});
    told.Drop(count);
    left -= count;
  }
  telling_ = false;
}

void Queue::ReportShort() {
  if (!loop_->TakeShort()) return;
  const Napi::CallbackScope scope(Env(), *async_context_);
  NotifyJs(on_told_, {Napi::Number::New(Env(), 0), Napi::Number::New(Env(), 0)});
}

void Queue::Tell(const Napi::CallbackInfo&) {
  if (!loop_) return;
  loop_->NoteAll();
  ReportTold();
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

void Queue::Emit(const char* kind, napi_value value) {
  NotifyJs(on_event_, {Napi::String::New(Env(), kind), value});
}

void Queue::Close(const Napi::CallbackInfo& info) {
  if (!thread_.is_open() || info.Length() < 1 || !info[0].IsFunction()) return;
  on_closed_ = Napi::Persistent(info[0].As<Napi::Function>());
  thread_.Close();
}

void Queue::CloseNow(const Napi::CallbackInfo&) { thread_.CloseNow(); }

void Queue::RequestEnd(bool unanswered) {
  if (unanswered) loop_->handoff().Abandon();
  loop_->RequestClose();
}

void Queue::OnClosed() {
  const Napi::HandleScope scope(Env());
  // The memory is freed now, and not when the garbage collector finds the object, which looks small to it.
  loop_.reset();
  memory_.reset();
  told_memory_.reset();
  plans_.reset();
  if (!on_closed_.IsEmpty()) {
    const Napi::CallbackScope callback_scope(Env(), *async_context_);
    NotifyJs(on_closed_, {});
  }
  ReleaseJs();
  Unref();
}

void Queue::ReleaseJs() {
  decide_.Reset();
  on_told_.Reset();
  on_event_.Reset();
  on_closed_.Reset();
  async_context_.reset();
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
  set(result, "planned", stats.planned.Get());
  set(result, "cacheHits", stats.cache_hits.Get());
  set(result, "kernelDecided", stats.kernel_decided.Get());
  set(result, "marked", stats.marked.Get());
  set(result, "droppedErrors", stats.dropped_errors.Get());
  set(result, "dropped", stats.dropped.Get());
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
  if (thread_.is_open()) loop_->Ping();
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

void Queue::SetUndecidedFrom(const Napi::CallbackInfo& info) {
  if (loop_ && info.Length() > 0) loop_->SetUndecidedFrom(info[0].ToNumber().Uint32Value());
}

void Queue::RefLoop(const Napi::CallbackInfo&) { thread_.Ref(); }

void Queue::UnrefLoop(const Napi::CallbackInfo&) { thread_.Unref(); }

}  // namespace wanmark
