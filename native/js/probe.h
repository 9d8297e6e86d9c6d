// Probes as JS sees them: a descriptor for TCP, which Node adopts, and for UDP and echo an object of our own,
// because Node adopts neither raw sockets (uv_guess_handle: SOCK_RAW is UV_UNKNOWN_HANDLE) nor would say what
// ICMP answered.
#pragma once

#include <napi.h>
#include <node_api.h>
#include <uv.h>

#include <memory>

#include "probe/socket.h"

namespace wanmark {

/**
 * `new DatagramProbe(options, onEvent)`: open from construction on, with its peer set; throws an error with
 * `step` and `errno`. `onEvent(errno, message)` comes for each message with errno 0, and once with an errno,
 * after which nothing more comes. While it is open it holds a reference to itself and an env cleanup hook.
 */
class DatagramProbe : public Napi::ObjectWrap<DatagramProbe> {
 public:
  static Napi::Function Define(Napi::Env env);
  /** openTcpProbe(options) -> descriptor, not connected; the caller closes it. */
  static Napi::Value OpenTcp(const Napi::CallbackInfo& info);

  explicit DatagramProbe(const Napi::CallbackInfo& info);

 private:
  /** What the async cleanup hook and the uv handle need after the JS object is gone. */
  struct Watch {
    uv_poll_t handle;
    // Null once the environment is being torn down: then no JS may run.
    DatagramProbe* owner;
    napi_async_cleanup_hook_handle hook;
  };

  /** send(bytes) -> 0 or errno; EBADF when it is closed. */
  Napi::Value Send(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  void OnReadable(int status);
  /** False when the callback has closed this. */
  bool Emit(int error, const void* data, size_t size);
  /** Tells the error that made libuv stop, by `status` where the socket knows none. */
  void EndWith(int status);
  void StopWatching();
  static void OnEnvCleanup(napi_async_cleanup_hook_handle hook, void* watch);

  ProbeSocket socket_;
  Watch* watch_ = nullptr;
  Napi::FunctionReference on_event_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace wanmark
