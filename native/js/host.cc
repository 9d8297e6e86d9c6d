#include "js/host.h"

#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "host/lock.h"
#include "host/ruleset.h"
#include "host/unix_datagram.h"
#include "js/error.h"

namespace wanmark {

namespace {

Napi::Value Throw(Napi::Env env, int error) {
  MakeError(env, error).ThrowAsJavaScriptException();
  return env.Undefined();
}

std::string Text(const Napi::CallbackInfo& info, size_t i) { return info[i].ToString().Utf8Value(); }

}  // namespace

Napi::Value NftGenerationForJs(const Napi::CallbackInfo& info) {
  uint32_t generation = 0;
  if (const int error = NftGeneration(generation)) return Throw(info.Env(), error);
  return Napi::Number::New(info.Env(), generation);
}

Napi::Value LegacyTableForJs(const Napi::CallbackInfo& info) {
  TableInfo table;
  const int family = info[0].ToNumber().Int32Value();
  if (const int error = LegacyTable(family, Text(info, 1).c_str(), table)) return Throw(info.Env(), error);
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(0U, Napi::Number::New(info.Env(), table.entries));
  result.Set(1U, Napi::Number::New(info.Env(), table.bytes));
  return result;
}

Napi::Value SendUnixDatagramForJs(const Napi::CallbackInfo& info) {
  if (const int error = SendUnixDatagram(Text(info, 0), Text(info, 1))) return Throw(info.Env(), error);
  return info.Env().Undefined();
}

Napi::Value TryLockForJs(const Napi::CallbackInfo& info) {
  int descriptor = -1;
  if (const int error = TryLock(Text(info, 0).c_str(), descriptor)) return Throw(info.Env(), error);
  return Napi::Number::New(info.Env(), descriptor);
}

/** Returns 0 when there is no such device. */
Napi::Value DeviceIndexForJs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), if_nametoindex(Text(info, 0).c_str()));
}

/** The user who connected the other end of a unix socket (SO_PEERCRED, unix(7)). */
Napi::Value PeerUserForJs(const Napi::CallbackInfo& info) {
  ucred peer{};
  socklen_t length = sizeof(peer);
  const int descriptor = info[0].ToNumber().Int32Value();
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return Throw(info.Env(), errno);
  return Napi::Number::New(info.Env(), peer.uid);
}

}  // namespace wanmark
