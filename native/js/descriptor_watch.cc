#include "js/descriptor_watch.h"

#include <cerrno>
#include <utility>

namespace wanmark {

int DescriptorWatch::Open(Napi::Env env, int fd, Callbacks callbacks) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return EINVAL;
  auto state = std::make_unique<State>();
  state->owner = this;
  state->handle.data = state.get();
  if (const int status = uv_poll_init(loop, &state->handle, fd)) return -status;
  state_ = state.release();
  callbacks_ = std::move(callbacks);
  napi_add_async_cleanup_hook(env, OnEnvCleanup, state_, &state_->hook);
  return 0;
}

int DescriptorWatch::Await() {
  return -uv_poll_start(&state_->handle, UV_READABLE, [](uv_poll_t* handle, int status, int) {
    if (DescriptorWatch* owner = static_cast<State*>(handle->data)->owner)
      owner->callbacks_.on_readable(status);
  });
}

void DescriptorWatch::Pause() { uv_poll_stop(&state_->handle); }

void DescriptorWatch::Unref() { uv_unref(reinterpret_cast<uv_handle_t*>(&state_->handle)); }

void DescriptorWatch::Close() {
  State* state = std::exchange(state_, nullptr);
  if (!state) return;
  state->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&state->handle), [](uv_handle_t* handle) {
    const std::unique_ptr<State> state(static_cast<State*>(handle->data));
    napi_remove_async_cleanup_hook(state->hook);
  });
  callbacks_.close();
}

void DescriptorWatch::OnEnvCleanup(napi_async_cleanup_hook_handle, void* data) {
  // Without an owner it is being closed already, and its close callback will come.
  DescriptorWatch* owner = static_cast<State*>(data)->owner;
  if (!owner) return;
  owner->Close();
  owner->callbacks_.on_env_gone();
}

}  // namespace wanmark
