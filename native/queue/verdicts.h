// The verdicts of one batch, as one datagram that carries all of them to the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wanmark {

/**
 * Holds NFQNL_MSG_VERDICT messages one behind the other. netlink_rcv_skb takes them apart, so n packets with
 * n different marks cost one sendmsg. (NFQNL_MSG_VERDICT_BATCH would give all of them the same mark.)
 */
class Verdicts {
 public:
  /** Makes room for `capacity` verdicts. Nothing is allocated later. */
  Verdicts(uint16_t queue_num, size_t capacity);

  /** Adds a verdict, NF_ACCEPT or NF_REPEAT, that leaves the packet's mark as it is. */
  void Add(uint32_t packet_id, uint32_t verdict);
  /** Adds a verdict and sets the packet mark to `mark`, all 32 bits of it. */
  void Add(uint32_t packet_id, uint32_t verdict, uint32_t mark);
  void Clear() { size_ = count_ = 0; }

  const uint8_t* data() const { return buffer_.data(); }
  size_t size() const { return size_; }
  size_t count() const { return count_; }

 private:
  void Put(uint32_t packet_id, uint32_t verdict, const uint32_t* mark);

  uint16_t queue_num_;
  std::vector<uint8_t> buffer_;
  size_t size_ = 0;
  size_t count_ = 0;
};

}  // namespace wanmark
