#include "queue/verdicts.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>

namespace wanmark {

namespace {

constexpr size_t kVerdictBytes = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(nfgenmsg)) + MNL_ATTR_HDRLEN +
                                 sizeof(nfqnl_msg_verdict_hdr) + MNL_ATTR_HDRLEN + sizeof(uint32_t);

}  // namespace

Verdicts::Verdicts(uint16_t queue_num, size_t capacity)
    : queue_num_(queue_num), buffer_(capacity * kVerdictBytes) {}

void Verdicts::Add(uint32_t packet_id, uint32_t verdict) { Put(packet_id, verdict, nullptr); }

void Verdicts::Add(uint32_t packet_id, uint32_t verdict, uint32_t mark) { Put(packet_id, verdict, &mark); }

void Verdicts::Put(uint32_t packet_id, uint32_t verdict, const uint32_t* mark) {
  nlmsghdr* message = mnl_nlmsg_put_header(buffer_.data() + size_);
  message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT;
  message->nlmsg_flags = NLM_F_REQUEST;
  // The sequence number is the packet's id. An error message carries it back, and a trace shows it (strace,
  // nlmon).
  message->nlmsg_seq = packet_id;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  header->res_id = htons(queue_num_);
  const nfqnl_msg_verdict_hdr verdict_header{htonl(verdict), htonl(packet_id)};
  mnl_attr_put(message, NFQA_VERDICT_HDR, sizeof(verdict_header), &verdict_header);
  if (mark) mnl_attr_put_u32(message, NFQA_MARK, htonl(*mark));
  size_ += message->nlmsg_len;
  count_++;
}

}  // namespace wanmark
