// The thread behind a JS object. It wakes JS up through libuv, and ends before the environment does: the
// garbage collector, the end of a worker thread and process.exit() can all come while it works.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <functional>
#include <string>

#include "base/thread.h"

namespace wanmark {

class JsThread {
 public:
  /** The JS object, which stays until it is told that the thread is closed. All of this is called on the JS
   * thread. */
  class Owner {
   public:
    /** Somebody has called the waker. It may close the thread, or say that it has ended. */
    virtual void OnWake() = 0;
    /** Has the thread's body return soon. `unanswered`: JS will answer nothing that it asks any more. */
    virtual void RequestEnd(bool unanswered) = 0;
    /** The thread has ended, and nothing is called any more after this. */
    virtual void OnClosed() = 0;
    /** Instead of OnClosed, with the end of the environment: no JS may run any more. */
    virtual void OnTeardown() = 0;

   protected:
    ~Owner() = default;
  };

  explicit JsThread(Owner& owner) : owner_(owner) {}

  /** What comes before Start. 0 or errno; with 0, the loop is kept alive until the thread is closed. */
  int Attach(napi_env env);
  /** Wakes JS up; from any thread, after Attach and for as long as the body runs. */
  std::function<void()> waker() const;
  /** Runs `body` in a thread of that name. 0 or errno, and then the owner is not called any more. */
  int Start(const std::string& name, std::function<void()> body);

  bool is_open() const { return state_ == State::kOpen; }

  /** Has the thread end. The loop stays alive until the owner, in OnWake, says that it has. */
  void Close();
  /** Waits for the thread without the help of JS: milliseconds. */
  void CloseNow();
  /** The body has nothing left to do but to return. */
  void Ended();

  /** Whether the open thread keeps the event loop alive, as it does from the start. */
  void Ref();
  void Unref();

 private:
  enum class State { kNotStarted, kOpen, kClosing, kClosed };

  /** What libuv and the environment refer to. It goes after the owner, with the handle's close callback. */
  struct Wake {
    uv_async_t handle;
    // Null once nobody is to be called any more: no JS may run, or the owner was never complete.
    JsThread* thread;
    napi_async_cleanup_hook_handle hook;
  };

  static void OnEnvCleanup(napi_async_cleanup_hook_handle hook, void* wake);
  void CloseHandle();

  Owner& owner_;
  State state_ = State::kNotStarted;
  Wake* wake_ = nullptr;
  Thread thread_;
};

}  // namespace wanmark
