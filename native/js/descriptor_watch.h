// A descriptor that the event loop watches for an object of JS.
#pragma once

#include <napi.h>
#include <node_api.h>
#include <uv.h>

#include <functional>
#include <memory>

namespace wanmark {

/**
 * Owns what libuv and the environment need to watch a descriptor, which outlives the object of JS: a uv
 * handle is freed only by its close callback, and an async cleanup hook is removed there. While it is open
 * there is a cleanup hook, which ends it when the environment goes; from then on no callback comes, since no
 * JS may run.
 */
class DescriptorWatch {
 public:
  struct Callbacks {
    /** The descriptor is readable; a negative status of libuv says that it has stopped the handle. */
    std::function<void(int status)> on_readable;
    /** Closes the descriptor, which may happen right after uv_close() (libuv: uv_poll_t). */
    std::function<void()> close;
    /** The environment goes: gives up what belongs to it. Comes after `close`. */
    std::function<void()> on_env_gone;
  };

  DescriptorWatch() = default;
  DescriptorWatch(const DescriptorWatch&) = delete;
  DescriptorWatch& operator=(const DescriptorWatch&) = delete;

  /** Returns 0 or errno. On an error nothing is open, and the descriptor is still the caller's. */
  int Open(Napi::Env env, int fd, Callbacks callbacks);
  /** Waits for the descriptor to become readable, also again after Pause(). Returns 0 or errno. */
  int Await();
  void Pause();
  /** Lets the event loop end although this is open. */
  void Unref();
  /** Ends it, and closes the descriptor. */
  void Close();
  bool is_open() const { return state_ != nullptr; }

 private:
  /** What the cleanup hook and the uv handle need after the owner is gone. */
  struct State {
    uv_poll_t handle;
    /** Null once it is closed. */
    DescriptorWatch* owner;
    napi_async_cleanup_hook_handle hook;
  };

  static void OnEnvCleanup(napi_async_cleanup_hook_handle hook, void* state);

  State* state_ = nullptr;
  Callbacks callbacks_;
};

}  // namespace wanmark
