#include "js/call.h"

namespace wanmark {

Napi::Value CallJs(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args) {
  const Napi::Env env = callback.Env();
  napi_value result;
  // Not Napi::Function::Call: it aborts the process when JS throws null or undefined (node-addon-api 8.9,
  // seen by better-sqlite3).
  const napi_status status =
      napi_call_function(env, env.Undefined(), callback.Value(), args.size(), args.begin(), &result);
  if (status == napi_ok) return {};
  napi_value thrown = nullptr;
  // Nothing is pending when JS may not run any more, as in a worker that is being terminated.
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) napi_get_and_clear_last_exception(env, &thrown);
  return Napi::Value(env, thrown);
}

void NotifyJs(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args) {
  const Napi::Value thrown = CallJs(callback, args);
  if (!thrown.IsEmpty()) napi_fatal_exception(callback.Env(), thrown);
}

}  // namespace wanmark
