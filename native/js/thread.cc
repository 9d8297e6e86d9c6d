#include "js/thread.h"

#include <cerrno>
#include <memory>
#include <utility>

namespace wanmark {

int JsThread::Attach(napi_env env) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return EINVAL;
  auto wake = std::make_unique<Wake>();
  wake->thread = this;
  wake->handle.data = wake.get();
  const int error = uv_async_init(loop, &wake->handle, [](uv_async_t* handle) {
    if (const JsThread* thread = static_cast<Wake*>(handle->data)->thread) thread->owner_.OnWake();
  });
  if (error) return -error;
  wake_ = wake.release();
  napi_add_async_cleanup_hook(env, OnEnvCleanup, wake_, &wake_->hook);
  return 0;
}

std::function<void()> JsThread::waker() const {
  return [wake = wake_] { uv_async_send(&wake->handle); };
}

int JsThread::Start(const std::string& name, std::function<void()> body) {
  if (const int error = thread_.Start(name, std::move(body))) {
    // The owner is about to go, but the handle lives until its close callback.
    wake_->thread = nullptr;
    CloseHandle();
    return error;
  }
  state_ = State::kOpen;
  return 0;
}

void JsThread::Close() {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  // The event loop waits for the end of the thread, even if the handle was unref'ed.
  uv_ref(reinterpret_cast<uv_handle_t*>(&wake_->handle));
  owner_.RequestEnd(false);
}

void JsThread::CloseNow() {
  if (state_ != State::kOpen && state_ != State::kClosing) return;
  owner_.RequestEnd(true);
  Ended();
}

void JsThread::Ended() {
  thread_.Join();
  CloseHandle();
}

void JsThread::CloseHandle() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_->handle), [](uv_handle_t* handle) {
    const std::unique_ptr<Wake> wake(static_cast<Wake*>(handle->data));
    if (JsThread* thread = wake->thread) {
      thread->wake_ = nullptr;
      thread->owner_.OnClosed();
    }
    napi_remove_async_cleanup_hook(wake->hook);
  });
}

void JsThread::OnEnvCleanup(napi_async_cleanup_hook_handle, void* data) {
  // The thread is null from now on, also for a handle that is being closed: its close callback comes when no
  // JS may run.
  JsThread* thread = std::exchange(static_cast<Wake*>(data)->thread, nullptr);
  if (!thread) return;
  thread->CloseNow();
  thread->owner_.OnTeardown();
}

void JsThread::Ref() {
  if (is_open()) uv_ref(reinterpret_cast<uv_handle_t*>(&wake_->handle));
}

void JsThread::Unref() {
  if (is_open()) uv_unref(reinterpret_cast<uv_handle_t*>(&wake_->handle));
}

}  // namespace wanmark
