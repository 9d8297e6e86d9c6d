// Tells of connections that have begun with a mark, as conntrack says when their first packet has passed all
// rules (nf_conntrack_confirm). Whoever listens makes each new connection of the machine cost 1 to 4 us more,
// since the kernel writes an event for each, and the reader another 1 for each that has a mark.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/netlink_socket.h"
#include "base/receiver.h"
#include "base/siphash.h"
#include "conntrack/entry.h"
#include "conntrack/exclusion.h"

namespace wanmark {

/** Arrays with room for `capacity` connections; addresses take 16 bytes each, IPv4 the first 4 of them. */
struct CtBegun {
  size_t capacity = 0;
  /** 4 or 6. */
  uint8_t* family = nullptr;
  uint8_t* proto = nullptr;
  uint8_t* src = nullptr;
  uint8_t* dst = nullptr;
  /** As in CtEntry. */
  uint16_t* sport = nullptr;
  uint16_t* dport = nullptr;
  uint32_t* mark = nullptr;
};

/** The step of CtNews::Open that failed. */
enum class CtNewsStep { kNone, kSocket, kEvents };

class CtNews {
 public:
  CtNews();

  /**
   * Subscribes to what begins with a mark that has bits under the mask. Returns 0 or errno. @param most the
   * size in bytes up to which a loss makes the buffer grow
   */
  int Open(uint32_t mask, uint32_t buffer, uint32_t most, CtNewsStep& failed);
  /** Sets what is left out; null: nothing. */
  void Exclude(std::shared_ptr<const CtExclusion> exclusion) { exclusion_ = std::move(exclusion); }
  /**
   * Takes what has begun, up to the capacity. Returns 0 or errno.
   * @param lost whether the kernel had more to tell than the socket could hold (ENOBUFS, netlink_overrun)
   * @param more whether there may be more to read
   */
  int Read(const CtBegun& into, size_t& count, bool& lost, bool& more);
  void Close() { socket_.Close(); }
  int fd() const { return socket_.fd(); }

 private:
  bool Put(std::span<const uint8_t> datagram, const CtBegun& into, size_t at);
  void GrowBuffer();

  NetlinkSocket socket_;
  Receiver receiver_;
  const SipKey key_;
  uint32_t granted_ = 0;
  uint32_t most_ = 0;
  std::shared_ptr<const CtExclusion> exclusion_;
};

}  // namespace wanmark
