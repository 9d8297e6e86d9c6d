#include "js/plans.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "js/clock.h"

namespace wanmark {

namespace {

uint32_t Number(const Napi::CallbackInfo& info, size_t i) { return info[i].ToNumber().Uint32Value(); }

PlanKey KeyOf(const Napi::CallbackInfo& info) {
  return PlanKey{Number(info, 0), static_cast<uint8_t>(Number(info, 1))};
}

/** Argument `i`, which is a Uint32Array; valid during the call. */
std::span<uint32_t> Numbers(const Napi::CallbackInfo& info, size_t i) {
  auto array = info[i].As<Napi::Uint32Array>();
  return {array.Data(), array.ElementLength()};
}

void Write(const PlanProgress& progress, std::span<uint32_t> into) {
  into[0] = progress.ahead;
  into[1] = progress.used;
  into[2] = progress.repeated;
}

/** Copies an address of 4 or 16 bytes. */
void ReadAddress(const Napi::Value& value, uint8_t (&into)[16]) {
  auto bytes = value.As<Napi::Uint8Array>();
  std::memcpy(into, bytes.Data(), std::min<size_t>(bytes.ElementLength(), sizeof(into)));
}

}  // namespace

Napi::Function PlansForJs::Define(Napi::Env env) {
  return DefineClass(env, "Plans",
                     {
                         InstanceMethod<&PlansForJs::Append>("append"),
                         InstanceMethod<&PlansForJs::Replace>("replace"),
                         InstanceMethod<&PlansForJs::SetTable>("setTable"),
                         InstanceMethod<&PlansForJs::Share>("share"),
                         InstanceMethod<&PlansForJs::Clear>("clear"),
                         InstanceMethod<&PlansForJs::Take>("take"),
                         InstanceMethod<&PlansForJs::Progress>("progress"),
                         InstanceMethod<&PlansForJs::TellSome>("tellSome"),
                         InstanceMethod<&PlansForJs::TakeCounts>("takeCounts"),
                         InstanceMethod<&PlansForJs::CountIn>("countIn"),
                         InstanceMethod<&PlansForJs::AskByInterface>("askByInterface"),
                         InstanceMethod<&PlansForJs::AskByFlow>("askByFlow"),
                     });
}

Napi::Value PlansForJs::Append(const Napi::CallbackInfo& info) {
  const auto taken =
      plans_->Append(KeyOf(info), Numbers(info, 2), Number(info, 3), Number(info, 4), info[5].ToBoolean());
  return taken ? Napi::Number::New(info.Env(), *taken) : info.Env().Undefined();
}

void PlansForJs::Replace(const Napi::CallbackInfo& info) {
  Write(plans_->Replace(KeyOf(info), Numbers(info, 2), Number(info, 3), Number(info, 4), Number(info, 5)),
        Numbers(info, 6));
}

void PlansForJs::SetTable(const Napi::CallbackInfo& info) {
  const std::span<const uint32_t> marks = Numbers(info, 2);
  const uint32_t bits = Number(info, 3);
  const HashFields fields{
      .src = (bits & 1) != 0,
      .sport = (bits & 2) != 0,
      .dst = (bits & 4) != 0,
      .dport = (bits & 8) != 0,
      .proto = (bits & 16) != 0,
  };
  plans_->SetTable(KeyOf(info), std::vector<uint32_t>(marks.begin(), marks.end()), fields);
}

void PlansForJs::Share(const Napi::CallbackInfo& info) {
  const PlanKey key = KeyOf(info);
  plans_->Share(key, PlanKey{key.field, static_cast<uint8_t>(Number(info, 2))});
}

void PlansForJs::Clear(const Napi::CallbackInfo& info) {
  Write(plans_->Clear(KeyOf(info)), Numbers(info, 2));
}

Napi::Value PlansForJs::Take(const Napi::CallbackInfo& info) {
  const auto mark = plans_->Take(KeyOf(info));
  return mark ? Napi::Number::New(info.Env(), *mark) : info.Env().Undefined();
}

void PlansForJs::Progress(const Napi::CallbackInfo& info) {
  Write(plans_->Progress(KeyOf(info)), Numbers(info, 2));
}

void PlansForJs::TellSome(const Napi::CallbackInfo& info) {
  plans_->TellSome(KeyOf(info), info[2].ToBoolean());
}

Napi::Value PlansForJs::TakeCounts(const Napi::CallbackInfo& info) {
  const std::vector<MarkCount> counts = plans_->TakeCounts(KeyOf(info));
  auto pairs = Napi::Uint32Array::New(info.Env(), 2 * counts.size());
  for (size_t i = 0; i < counts.size(); i++) {
    pairs[2 * i] = counts[i].mark;
    pairs[2 * i + 1] = counts[i].count;
  }
  return pairs;
}

void PlansForJs::CountIn(const Napi::CallbackInfo& info) {
  const bool counts = info[0].IsTypedArray();
  plans_->CountIn(counts ? Numbers(info, 0) : std::span<uint32_t>{}, info[1].ToNumber().Int32Value());
  // The former words may go only now.
  counted_.Reset();
  if (counts) counted_ = Napi::Persistent(info[0].As<Napi::Uint32Array>());
}

void PlansForJs::AskByInterface(const Napi::CallbackInfo& info) {
  const std::span<const uint32_t> ifindexes = Numbers(info, 0);
  plans_->AskByInterface(std::vector<uint32_t>(ifindexes.begin(), ifindexes.end()));
}

void PlansForJs::AskByFlow(const Napi::CallbackInfo& info) {
  FlowKey flow;
  flow.family = static_cast<uint8_t>(Number(info, 0));
  flow.proto = static_cast<uint8_t>(Number(info, 1));
  ReadAddress(info[2], flow.src);
  flow.sport = static_cast<uint16_t>(Number(info, 3));
  ReadAddress(info[4], flow.dst);
  flow.dport = static_cast<uint16_t>(Number(info, 5));
  const uint64_t now_ms = MonotonicMs();
  plans_->AskByFlow(flow, now_ms, now_ms + Number(info, 6));
}

}  // namespace wanmark
