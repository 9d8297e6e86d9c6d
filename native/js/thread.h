// The thread behind a JS object. It wakes JS up through libuv and ends before the environment does. The
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
  /**
   * The JS object, which must stay until it is told that the thread is closed. All of its functions are
   * called on the JS thread.
   */
  class Owner {
   public:
    /** Called after the waker was. It may close the thread, or say that the thread has ended. */
    virtual void OnWake() = 0;
    /**
     * Makes the thread's body return soon. `unanswered` means that JS will not answer its questions any more.
     */
    virtual void RequestEnd(bool unanswered) = 0;
    /** Called when the thread has ended. Nothing is called after this. */
    virtual void OnClosed() = 0;
    /** Called in place of OnClosed at the end of the environment, when no JS may run any more. */
    virtual void OnTeardown() = 0;

   protected:
    ~Owner() = default;
  };

  explicit JsThread(Owner& owner) : owner_(owner) {}

  /**
   * Prepares for Start. Returns 0 or errno; after 0, the event loop is kept alive until the thread is closed.
   */
  int Attach(napi_env env);
  /**
   * Returns a function that wakes JS up. Any thread may call it, after Attach and for as long as the body
   * runs.
   */
  std::function<void()> waker() const;
  /**
   * Runs `body` in a thread of that name. Returns 0 or errno; after an errno the owner is not called any
   * more.
   */
  int Start(const std::string& name, std::function<void()> body);

  bool is_open() const { return state_ == State::kOpen; }

  /** Makes the thread end. The event loop stays alive until the owner says in OnWake that it has ended. */
  void Close();
  /** Ends the thread and waits for it without the help of JS, which takes milliseconds. */
  void CloseNow();
  /** Says that the body has nothing left to do but to return. */
  void Ended();

  /** Ref() lets the open thread keep the event loop alive, as it does from the start; Unref() ends that. */
  void Ref();
  void Unref();

 private:
  enum class State { kNotStarted, kOpen, kClosing, kClosed };

  /**
   * What libuv and the environment refer to. The handle's close callback frees it, after the owner is gone.
   */
  struct Wake {
    uv_async_t handle;
    // The thread is null once nobody is to be called any more, because no JS may run or the owner was never
    // complete.
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
