#include "js/conntrack.h"

#include <arpa/inet.h>

#include <string>
#include <utility>

#include "conntrack/request.h"
#include "js/call.h"
#include "js/error.h"
#include "js/exclusion.h"
#include "js/options.h"

namespace wanmark {

namespace {

CtOptions ReadOptions(const Napi::Object& object) {
  CtOptions options;
  options.field.mask = NumberOption(object, "mask");
  options.field.established = BooleanOption(object, "established");
  options.receive_buffer = NumberOption(object, "receiveBuffer");
  options.most_receive_buffer = NumberOption(object, "mostReceiveBuffer");
  options.least_interval_us = uint64_t{NumberOption(object, "intervalMs")} * 1000;
  options.updates = BooleanOption(object, "updates");
  return options;
}

const char* StepName(CtStep step) {
  switch (step) {
    case CtStep::kPrivilege:
      return "privilege";
    case CtStep::kSupport:
      return "support";
    case CtStep::kEvents:
      return "events";
    default:
      return "socket";
  }
}

/** Carries out one request on a thread of libuv's pool and settles a promise with its result. */
class Request : public Napi::AsyncWorker {
 public:
  explicit Request(Napi::Env env) : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  virtual int Do() = 0;
  virtual Napi::Value Result() { return Env().Undefined(); }

  int error_ = 0;

 private:
  void Execute() override { error_ = Do(); }
  void OnOK() override {
    if (error_) {
      deferred_.Reject(MakeError(Env(), "request", error_).Value());
    } else {
      deferred_.Resolve(Result());
    }
  }

  const Napi::Promise::Deferred deferred_;
};

class FlushRequest : public Request {
 public:
  FlushRequest(Napi::Env env, const CtSelection& selection) : Request(env), selection_(selection) {}

 protected:
  int Do() override { return FlushCt(selection_, flushed_); }

  Napi::Value Result() override {
    if (selection_.is_whole()) return Env().Undefined();
    Napi::Object result = Napi::Object::New(Env());
    result.Set("found", Napi::Number::New(Env(), flushed_.found));
    result.Set("ended", Napi::Number::New(Env(), flushed_.ended));
    return result;
  }

 private:
  const CtSelection selection_;
  CtFlushed flushed_;
};

class LookupRequest : public Request {
 public:
  LookupRequest(Napi::Env env, std::vector<CtTuple> tuples) : Request(env), tuples_(std::move(tuples)) {}

 protected:
  int Do() override { return LookUpCt(tuples_, entries_); }

  Napi::Value Result() override {
    const auto result = Napi::Array::New(Env(), entries_.size());
    for (uint32_t i = 0; i < entries_.size(); i++) {
      result.Set(i, entries_[i] ? Describe(*entries_[i]) : Env().Undefined());
    }
    return result;
  }

 private:
  Napi::Value Describe(const CtEntry& entry) {
    Napi::Object result = Napi::Object::New(Env());
    result.Set("mark", Napi::Number::New(Env(), entry.mark));
    result.Set("status", Napi::Number::New(Env(), entry.status));
    result.Set("timeout", Napi::Number::New(Env(), entry.timeout));
    if (entry.tcp_state != kTcpStateUntold) {
      result.Set("tcpState", Napi::Number::New(Env(), entry.tcp_state));
    }
    return result;
  }

  const std::vector<CtTuple> tuples_;
  std::vector<std::optional<CtEntry>> entries_;
};

class ForgetRequest : public Request {
 public:
  ForgetRequest(Napi::Env env, std::vector<CtQuestion> questions, uint32_t mask, bool unanswered)
      : Request(env), questions_(std::move(questions)), mask_(mask), unanswered_(unanswered) {}

 protected:
  int Do() override { return ForgetCt(questions_, mask_, unanswered_, ended_); }

  Napi::Value Result() override {
    const auto result = Napi::Array::New(Env(), ended_.size());
    for (uint32_t i = 0; i < ended_.size(); i++) result.Set(i, Napi::Boolean::New(Env(), ended_[i]));
    return result;
  }

 private:
  const std::vector<CtQuestion> questions_;
  const uint32_t mask_;
  const bool unanswered_;
  std::vector<bool> ended_;
};

/**
 * Reads `{family, proto, src, dst, sport, dport}`. Returns false when an address is not one of that family.
 */
bool ReadTuple(const Napi::Object& object, CtTuple& tuple) {
  tuple.family = NumberOption(object, "family") == 6 ? AF_INET6 : AF_INET;
  tuple.proto = static_cast<uint8_t>(NumberOption(object, "proto"));
  tuple.sport = static_cast<uint16_t>(NumberOption(object, "sport"));
  tuple.dport = static_cast<uint16_t>(NumberOption(object, "dport"));
  const std::string src = object.Get("src").ToString();
  const std::string dst = object.Get("dst").ToString();
  return inet_pton(tuple.family, src.c_str(), tuple.src) == 1 &&
         inet_pton(tuple.family, dst.c_str(), tuple.dst) == 1;
}

}  // namespace

Napi::Function Conntrack::Define(Napi::Env env) {
  return DefineClass(env, "Conntrack",
                     {
                         InstanceMethod<&Conntrack::Close>("close"),
                         InstanceMethod<&Conntrack::CloseNow>("closeNow"),
                         InstanceMethod<&Conntrack::Exclude>("exclude"),
                         InstanceMethod<&Conntrack::GetStats>("stats"),
                         InstanceMethod<&Conntrack::RefLoop>("ref"),
                         InstanceMethod<&Conntrack::UnrefLoop>("unref"),
                     });
}

Napi::Value Conntrack::Flush(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CtSelection selection;
  if (info.Length() > 0 && info[0].IsNumber()) selection.mark = info[0].As<Napi::Number>().Uint32Value();
  if (info.Length() > 1 && info[1].IsNumber()) selection.mask = info[1].As<Napi::Number>().Uint32Value();
  if (info.Length() > 2 && info[2].IsObject()) {
    const auto which = info[2].As<Napi::Object>();
    const uint32_t family = NumberOption(which, "family");
    selection.family = family == 6 ? AF_INET6 : family == 4 ? AF_INET : AF_UNSPEC;
    selection.proto = static_cast<uint8_t>(NumberOption(which, "proto"));
    selection.unanswered = BooleanOption(which, "unanswered");
    selection.status = NumberOption(which, "status");
    selection.status_mask = NumberOption(which, "statusMask");
    selection.most = NumberOption(which, "most");
  }
  // The mask is checked here and again in BuildCtFlush, because mask 0 would end every connection of the
  // machine.
  if (selection.mask == 0) {
    Napi::RangeError::New(env, "flushConntrack needs a mask that is not 0").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto* request = new FlushRequest(env, selection);
  request->Queue();
  return request->promise();
}

Napi::Value Conntrack::Lookup(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<CtTuple> tuples;
  if (info.Length() > 0 && info[0].IsArray()) {
    const auto given = info[0].As<Napi::Array>();
    for (uint32_t i = 0; i < given.Length(); i++) {
      const Napi::Value tuple = given[i];
      if (!tuple.IsObject() || !ReadTuple(tuple.As<Napi::Object>(), tuples.emplace_back())) {
        Napi::TypeError::New(env, "lookupConntrack needs tuples with addresses of one family")
            .ThrowAsJavaScriptException();
        return env.Undefined();
      }
    }
  }
  auto* request = new LookupRequest(env, std::move(tuples));
  request->Queue();
  return request->promise();
}

Napi::Value Conntrack::Forget(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<CtQuestion> questions;
  uint32_t mask = 0;
  if (info.Length() > 1 && info[1].IsNumber()) mask = info[1].As<Napi::Number>().Uint32Value();
  if (mask == 0) {
    Napi::RangeError::New(env, "forgetConntrack needs a mask that is not 0").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto given = info[0].IsArray() ? info[0].As<Napi::Array>() : Napi::Array::New(env);
  for (uint32_t i = 0; i < given.Length(); i++) {
    const Napi::Value value = given[i];
    const Napi::Object question = value.IsObject() ? value.As<Napi::Object>() : Napi::Object::New(env);
    const Napi::Value tuple = question.Get("tuple");
    CtQuestion& read = questions.emplace_back();
    read.mark = NumberOption(question, "mark");
    if (!tuple.IsObject() || !ReadTuple(tuple.As<Napi::Object>(), read.tuple)) {
      Napi::TypeError::New(env, "forgetConntrack needs tuples with addresses of one family")
          .ThrowAsJavaScriptException();
      return env.Undefined();
    }
  }
  auto* request =
      new ForgetRequest(env, std::move(questions), mask, info.Length() > 2 && info[2].ToBoolean().Value());
  request->Queue();
  return request->promise();
}

Conntrack::Conntrack(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Conntrack>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsFunction()) {
    Napi::TypeError::New(env, "Conntrack(options, onEvent)").ThrowAsJavaScriptException();
    return;
  }
  const Napi::Object object = info[0].As<Napi::Object>();
  const CtOptions options = ReadOptions(object);
  const uint32_t highest = NumberOption(object, "highest");
  if (options.field.mask == 0 || highest == 0 || highest > UINT16_MAX) {
    Napi::RangeError::New(env, "mask or highest is out of range").ThrowAsJavaScriptException();
    return;
  }
  std::shared_ptr<const CtExclusion> exclusion;
  if (!object.Get("exclusion").IsUndefined() &&
      !(exclusion = ReadExclusion(object.Get("exclusion"), probe_ports_)))
    return;
  CtSockets sockets = OpenCt(options);
  if (sockets.failed != CtStep::kNone) {
    MakeError(env, StepName(sockets.failed), sockets.error).ThrowAsJavaScriptException();
    return;
  }
  if (const int error = thread_.Attach(env)) {
    MakeError(env, "loop", error).ThrowAsJavaScriptException();
    return;
  }

  memory_ = std::make_shared<CountMemory>(highest + 1);
  on_event_ = Napi::Persistent(info[1].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "wanmark.Conntrack");
  LendMemory(info.This().As<Napi::Object>());

  loop_ = std::make_unique<CtLoop>(options, std::move(sockets), *memory_, stats_, thread_.waker());
  // The first dump is to leave out the same as all others.
  if (exclusion) loop_->Exclude(std::move(exclusion));
  if (const int error = thread_.Start("conntrack", [loop = loop_.get()] { loop->Run(); })) {
    MakeError(env, "thread", error).ThrowAsJavaScriptException();
    return;
  }
  Ref();
}

void Conntrack::LendMemory(Napi::Object self) {
  const Napi::Env env = self.Env();
  auto* share = new std::shared_ptr<CountMemory>(memory_);
  const auto buffer = Napi::ArrayBuffer::New(
      env, memory_->words.get(), memory_->bytes(),
      [](Napi::Env, void*, std::shared_ptr<CountMemory>* share) { delete share; }, share);
  const uint32_t numbers = memory_->numbers;
  self.Set("counts", Napi::Int32Array::New(env, numbers, buffer, 0));
  self.Set("decided", Napi::Uint32Array::New(env, numbers, buffer, numbers * sizeof(uint32_t)));
  self.Set("planned", Napi::Uint32Array::New(env, numbers, buffer, size_t{2} * numbers * sizeof(uint32_t)));
}

void Conntrack::OnWake() {
  const Napi::HandleScope scope(Env());
  // A callback may close the counter. loop_ stays until the handle's close callback, which comes later.
  if (loop_->ready() && !std::exchange(told_ready_, true)) Emit("ready", Env().Undefined());
  if (const int error = loop_->TakeTrouble()) Emit("trouble", Napi::Number::New(Env(), error));
  if (loop_->finished()) thread_.Ended();
}

void Conntrack::Emit(const char* kind, napi_value value) {
  const Napi::CallbackScope scope(Env(), *async_context_);
  NotifyJs(on_event_, {Napi::String::New(Env(), kind), value});
}

void Conntrack::Close(const Napi::CallbackInfo& info) {
  if (!thread_.is_open() || info.Length() < 1 || !info[0].IsFunction()) return;
  on_closed_ = Napi::Persistent(info[0].As<Napi::Function>());
  thread_.Close();
}

void Conntrack::Exclude(const Napi::CallbackInfo& info) {
  if (!thread_.is_open() || info.Length() < 1 || !info[0].IsObject()) return;
  if (auto exclusion = ReadExclusion(info[0], probe_ports_)) loop_->Exclude(std::move(exclusion));
}

void Conntrack::CloseNow(const Napi::CallbackInfo&) { thread_.CloseNow(); }

void Conntrack::OnClosed() {
  const Napi::HandleScope scope(Env());
  // The memory is freed now, and not when the garbage collector finds the object, which looks small to it.
  loop_.reset();
  memory_.reset();
  if (!on_closed_.IsEmpty()) {
    const Napi::CallbackScope callback_scope(Env(), *async_context_);
    NotifyJs(on_closed_, {});
  }
  ReleaseJs();
  Unref();
}

void Conntrack::ReleaseJs() {
  on_event_.Reset();
  on_closed_.Reset();
  probe_ports_.Reset();
  async_context_.reset();
}

Napi::Value Conntrack::GetStats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { result.Set(name, Napi::Number::New(env, value)); };
  const auto count = [&](const char* name, const Counter& counter) {
    set(name, static_cast<double>(counter.Get()));
  };
  count("dumps", stats_.dumps);
  count("entries", stats_.entries);
  count("events", stats_.events);
  count("overruns", stats_.overruns);
  count("missed", stats_.missed);
  count("found", stats_.found);
  count("errors", stats_.errors);
  set("dumpMs", static_cast<double>(stats_.dump_us.Get()) / 1000);
  set("eventMs", static_cast<double>(stats_.event_us.Get()) / 1000);
  set("intervalMs", static_cast<double>(stats_.interval_us.load(std::memory_order_relaxed)) / 1000);
  set("receiveBuffer", stats_.receive_buffer.load(std::memory_order_relaxed));
  return result;
}

void Conntrack::RefLoop(const Napi::CallbackInfo&) { thread_.Ref(); }

void Conntrack::UnrefLoop(const Napi::CallbackInfo&) { thread_.Unref(); }

}  // namespace wanmark
