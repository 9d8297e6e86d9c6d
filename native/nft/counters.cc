#include "nft/counters.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>

#include <cerrno>

#include "base/netlink.h"
#include "base/netlink_answer.h"
#include "nft/batch.h"

namespace wanmark {

namespace {

constexpr int kMostTries = 3;

}  // namespace

int DumpCounters(NetlinkSocket& socket, uint8_t family, const std::string& table,
                 std::vector<uint8_t>& messages) {
  std::vector<uint8_t> bytes(AttributesAt(sizeof(nfgenmsg)) + TextBytes(table) + kAttributeHeaderBytes +
                             sizeof(uint32_t));
  nlmsghdr* message = StartMessage(bytes.data());
  message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  AppendHeader<nfgenmsg>(message)->nfgen_family = family;
  PutText(message, NFTA_OBJ_TABLE, table);
  PutValue(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
  for (int i = 0; i < kMostTries; i++) {
    messages.clear();
    if (const int error = socket.Send(message, message->nlmsg_len)) return error;
    bool interrupted = false;
    if (const int error = ReadDump(socket, messages, interrupted)) return error;
    if (!interrupted) return 0;
  }
  return EAGAIN;
}

}  // namespace wanmark
