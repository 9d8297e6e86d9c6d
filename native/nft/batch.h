// A transaction of nftables: messages that the kernel carries out all together or not at all
// (nfnetlink_rcv_batch, nf_tables_commit). Functions return 0 or a positive errno.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/netlink_socket.h"

namespace wanmark {

/** Opens a socket for transactions of any size. */
int OpenNft(NetlinkSocket& socket);

class NftBatch {
 public:
  /** Begins a transaction. @param family NFPROTO_* of the tables that its messages are about */
  explicit NftBatch(uint8_t family);

  /**
   * Begins a message, whose attributes the caller puts into what is returned. It must be ended before the
   * next begins.
   * @param type NFT_MSG_*
   * @param flags NLM_F_* beside NLM_F_REQUEST
   * @param room the most bytes of attributes
   */
  nlmsghdr* Start(uint16_t type, uint16_t flags, size_t room);
  void End();

  /**
   * Sends the transaction, which is carried out inside, and reads the answers. @param failed becomes the
   * NFT_MSG_* type of the message that the kernel refuses; 0 where it is none of them
   */
  int Send(NetlinkSocket& socket, uint16_t& failed);

  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }

 private:
  void Mark(uint16_t type);

  const uint8_t family_;
  std::vector<uint8_t> bytes_;
  size_t start_ = 0;
};

/** Puts a text with the zero that the kernel wants behind it. */
void PutText(nlmsghdr* message, uint16_t type, std::string_view text);
/** The bytes that PutText takes. */
size_t TextBytes(std::string_view text);

}  // namespace wanmark
