// The news of connections that have begun, as JS sees them.
#pragma once

#include <napi.h>

#include <memory>

#include "conntrack/news.h"
#include "js/descriptor_watch.h"

namespace wanmark {

/**
 * For JS: `new ConntrackNews({mask, capacity, receiveBuffer, mostReceiveBuffer, exclusion}, onReadable)`.
 * `onReadable()` comes once when there is something to read; `read()` puts up to `capacity` connections into
 * the arrays `family`, `proto`, `src`, `dst`, `sport`, `dport` and `mark`, and lets it come again. It does
 * not keep the event loop alive. Errors have `errno`, and those of the constructor `step`.
 */
class ConntrackNews : public Napi::ObjectWrap<ConntrackNews> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit ConntrackNews(const Napi::CallbackInfo& info);

 private:
  /**
   * For JS: read() returns `{count, lost, more}`. `lost`: some are missing; `more`: it should be called
   * again. Undefined once it is closed.
   */
  Napi::Value Read(const Napi::CallbackInfo& info);
  void Exclude(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  void OnReadable();
  /** Makes the arrays, which belong to JS. */
  void MakeArrays(Napi::Object self, uint32_t capacity);

  CtNews news_;
  CtBegun begun_;
  DescriptorWatch watch_;
  // It keeps the arrays that begun_ points into.
  Napi::ObjectReference arrays_;
  Napi::Reference<Napi::Uint8Array> probe_ports_;
  Napi::FunctionReference on_readable_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace wanmark
