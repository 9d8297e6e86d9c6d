// A pthread whose start can fail. std::thread would throw then, and this code is compiled without exceptions.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <functional>
#include <string>
#include <utility>

namespace wanmark {

class Thread {
 public:
  Thread() = default;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { Join(); }

  /**
   * Returns 0 or errno. All signals are blocked in the thread; they are for the threads that have handlers.
   */
  int Start(const std::string& name, std::function<void()> body) {
    body_ = std::move(body);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&id_, nullptr, &Thread::Main, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    started_ = error == 0;
    // A thread's name has 15 characters at most (pthread_setname_np).
    if (started_) pthread_setname_np(id_, name.substr(0, 15).c_str());
    return error;
  }

  void Join() {
    if (std::exchange(started_, false)) pthread_join(id_, nullptr);
  }

 private:
  static void* Main(void* self) {
    static_cast<Thread*>(self)->body_();
    return nullptr;
  }

  std::function<void()> body_;
  pthread_t id_{};
  bool started_ = false;
};

}  // namespace wanmark
