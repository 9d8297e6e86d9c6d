// Registers the classes of the addon. Context-aware: loaded once for each environment, nothing is static.
#include <napi.h>

#include "queue.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Queue", wanmark::Queue::Define(env));
  return exports;
}

NODE_API_MODULE(nfqueue, Init)
