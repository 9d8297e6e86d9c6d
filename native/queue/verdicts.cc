#include "queue/verdicts.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>

#include "base/netlink.h"

namespace wanmark {

namespace {

constexpr size_t kVerdictBytes = AttributesAt(sizeof(nfgenmsg)) + kAttributeHeaderBytes +
                                 sizeof(nfqnl_msg_verdict_hdr) + kAttributeHeaderBytes + sizeof(uint32_t);

}  // namespace

Verdicts::Verdicts(uint16_t queue_num, size_t capacity)
    : queue_num_(queue_num), buffer_(capacity * kVerdictBytes) {}

void Verdicts::Add(uint32_t packet_id, uint32_t verdict) { Put(packet_id, verdict, nullptr); }

void Verdicts::Add(uint32_t packet_id, uint32_t verdict, uint32_t mark) { Put(packet_id, verdict, &mark); }

void Verdicts::Put(uint32_t packet_id, uint32_t verdict, const uint32_t* mark) {
  nlmsghdr* message = StartMessage(buffer_.data() + size_);
  message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT;
  message->nlmsg_flags = NLM_F_REQUEST;
  // The sequence number is the packet's id. An error message carries it back, and a trace shows it (strace,
  // nlmon).
  message->nlmsg_seq = packet_id;
  auto* header = AppendHeader<nfgenmsg>(message);
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  header->res_id = htons(queue_num_);
  const nfqnl_msg_verdict_hdr verdict_header{htonl(verdict), htonl(packet_id)};
  PutValue(message, NFQA_VERDICT_HDR, verdict_header);
  if (mark) PutValue(message, NFQA_MARK, htonl(*mark));
  size_ += message->nlmsg_len;
  count_++;
}

}  // namespace wanmark
