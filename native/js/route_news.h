// The news of rtnetlink as JS sees them.
#pragma once

#include <napi.h>

#include <memory>

#include "js/descriptor_watch.h"
#include "route/news.h"

namespace wanmark {

/**
 * For JS: `new RouteNews(groups, onReadable)`. `onReadable()` comes once when there is something to read;
 * `read()` takes it, and lets it come again. So JS says how many changes make one look, and news that nobody
 * reads cost nothing but the socket's buffer. It does not keep the event loop alive. The constructor throws
 * an error with `errno`.
 */
class RouteNews : public Napi::ObjectWrap<RouteNews> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit RouteNews(const Napi::CallbackInfo& info);

 private:
  /**
   * For JS: read() returns `{messages, lost, more}`. `lost`: something is missing among the messages; `more`:
   * it should be called again. Undefined once it is closed.
   */
  Napi::Value Read(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  void OnReadable();

  NewsSocket socket_;
  DescriptorWatch watch_;
  Napi::FunctionReference on_readable_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace wanmark
