// Probes as JS sees them. For TCP this is a descriptor, which Node adopts. For UDP and echo it is an object
// of our own, because Node does not adopt raw sockets (uv_guess_handle: SOCK_RAW is UV_UNKNOWN_HANDLE) and
// would not say what ICMP answered.
#pragma once

#include <napi.h>

#include <memory>

#include "js/descriptor_watch.h"
#include "probe/socket.h"

namespace wanmark {

/**
 * For JS: `new DatagramProbe(options, onEvent)`. The probe is open from construction on, with its peer set.
 * The constructor throws an error with `step` and `errno`. `onEvent(errno, message)` comes for each message
 * with errno 0, and once with another errno, after which nothing more comes. While the probe is open it holds
 * a reference to itself and an env cleanup hook.
 */
class DatagramProbe : public Napi::ObjectWrap<DatagramProbe> {
 public:
  static Napi::Function Define(Napi::Env env);
  /** For JS: openTcpProbe(options) returns a descriptor that is not connected; the caller closes it. */
  static Napi::Value OpenTcp(const Napi::CallbackInfo& info);

  explicit DatagramProbe(const Napi::CallbackInfo& info);

 private:
  /** For JS: send(bytes) returns 0 or errno, EBADF when the probe is closed. */
  Napi::Value Send(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  void OnReadable(int status);
  /** Calls onEvent. Returns false when the callback has closed the probe. */
  bool Emit(int error, const void* data, size_t size);
  /** Reports the error that made libuv stop, or `status` when the socket knows of none. */
  void EndWith(int status);

  ProbeSocket socket_;
  DescriptorWatch watch_;
  Napi::FunctionReference on_event_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace wanmark
