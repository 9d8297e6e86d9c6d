#include "js/call.h"

namespace wanmark {

Napi::Value CallJs(const Napi::FunctionReference& callback, std::initializer_list<napi_value> args) {
  const Napi::Env env = callback.Env();
  napi_value result;
  // Napi::Function::Call would abort the process when JS throws null or undefined (node-addon-api 8.9;
  // better-sqlite3 avoids it for this reason).
  const napi_status status =
      napi_call_function(env, env.Undefined(), callback.Value(), args.size(), args.begin(), &result);
  if (status == napi_ok) return {};
  napi_value thrown = nullptr;
  // No exception is pending when JS may not run any more, as in a worker that is being terminated.
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
