// Writes choices that are made ahead into nftables, for JS.
#pragma once

#include <napi.h>

#include <memory>

#include "base/netlink_socket.h"

namespace wanmark {

/**
 * For JS: `new NftWriter()`; `write(family, choices)` carries out one transaction before it returns, which
 * takes the kernel some 100 us for 256 places; `counters(family, table)` reads the counters that have names
 * on a thread of libuv's pool, and returns a promise of messages; the next may begin when that has settled;
 * `close()`. The sockets are kept, since the kernel waits for a grace period when one is closed
 * (nft_rcv_nl_event). Errors have `errno`, and `step`: what the kernel refuses.
 */
class NftWriter : public Napi::ObjectWrap<NftWriter> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit NftWriter(const Napi::CallbackInfo& info);

 private:
  Napi::Value Write(const Napi::CallbackInfo& info);
  Napi::Value Counters(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  NetlinkSocket writing_;
  // It is shared with the reader that runs, which may outlive this object.
  std::shared_ptr<NetlinkSocket> reading_;
};

}  // namespace wanmark
