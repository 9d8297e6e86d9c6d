// The plans of choices as JS writes them. They outlive the JS object while a queue uses them.
#pragma once

#include <napi.h>

#include <memory>

#include "queue/plans.h"

namespace wanmark {

/** For JS: `new Plans()`, for the options of the queues that share them. */
class PlansForJs : public Napi::ObjectWrap<PlansForJs> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit PlansForJs(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PlansForJs>(info) {}
  ~PlansForJs() override { plans_->CountIn({}, 0); }

  const std::shared_ptr<Plans>& plans() const { return plans_; }

 private:
  /**
   * For JS: append(field, family, marks, repeat, repeated, whole) returns how many marks were taken, or
   * undefined.
   */
  Napi::Value Append(const Napi::CallbackInfo& info);
  /** For JS: replace(field, family, marks, repeat, used, keep, progress). */
  void Replace(const Napi::CallbackInfo& info);
  /** For JS: setTable(field, family, marks, fields), with the bits of `fields` as in src/queue/plans.ts. */
  void SetTable(const Napi::CallbackInfo& info);
  /** For JS: share(field, family, otherFamily). */
  void Share(const Napi::CallbackInfo& info);
  /** For JS: clear(field, family, progress). */
  void Clear(const Napi::CallbackInfo& info);
  /** For JS: take(field, family) returns a mark, or undefined where there is no next choice. */
  Napi::Value Take(const Napi::CallbackInfo& info);
  /** For JS: progress(field, family, progress) writes ahead, used and repeated, as those above do. */
  void Progress(const Napi::CallbackInfo& info);
  /** For JS: tellSome(field, family, some). */
  void TellSome(const Napi::CallbackInfo& info);
  /** For JS: takeCounts(field, family) returns an array of mark, count, mark, count and so on. */
  Napi::Value TakeCounts(const Napi::CallbackInfo& info);
  /** For JS: countIn(words, shift), with words undefined to count nowhere. */
  void CountIn(const Napi::CallbackInfo& info);
  /** For JS: askByInterface(ifindexes). */
  void AskByInterface(const Napi::CallbackInfo& info);
  /** For JS: askByFlow(family, proto, src, sport, dst, dport, forMs), with the bytes of the addresses. */
  void AskByFlow(const Napi::CallbackInfo& info);

  // The words that plans_ writes. A queue holds this object while it uses the plans, so they stay as long.
  Napi::Reference<Napi::Uint32Array> counted_;
  std::shared_ptr<Plans> plans_ = std::make_shared<Plans>();
};

}  // namespace wanmark
