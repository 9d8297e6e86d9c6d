#include "queue/nfq_config.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/netlink.h"

namespace wanmark {

namespace {

nlmsghdr* PutConfigHeader(void* buffer, uint16_t num, uint16_t flags) {
  nlmsghdr* message = StartMessage(buffer);
  message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  auto* header = AppendHeader<nfgenmsg>(message);
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  header->res_id = htons(num);
  return message;
}

void PutCommand(nlmsghdr* message, uint8_t command) {
  const nfqnl_msg_config_cmd cmd{command, 0, htons(AF_UNSPEC)};
  PutValue(message, NFQA_CFG_CMD, cmd);
}

}  // namespace

nlmsghdr* BuildBind(void* buffer, const QueueConfig& config) {
  nlmsghdr* message = PutConfigHeader(buffer, config.num, NLM_F_ACK);
  PutCommand(message, NFQNL_CFG_CMD_BIND);
  const nfqnl_msg_config_params params{htonl(config.copy_range), NFQNL_COPY_PACKET};
  PutValue(message, NFQA_CFG_PARAMS, params);
  PutValue(message, NFQA_CFG_QUEUE_MAXLEN, htonl(config.max_length));
  // Without the GSO flag, the kernels 6.11 to 6.18 drop aggregated packets of a new connection
  // (CVE-2026-45859).
  const uint32_t flags = NFQA_CFG_F_GSO | (config.fail_open ? NFQA_CFG_F_FAIL_OPEN : 0);
  PutValue(message, NFQA_CFG_FLAGS, htonl(flags));
  PutValue(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
  return message;
}

nlmsghdr* BuildStopQueueing(void* buffer, uint16_t num) {
  nlmsghdr* message = PutConfigHeader(buffer, num, 0);
  PutValue(message, NFQA_CFG_QUEUE_MAXLEN, htonl(0));
  return message;
}

nlmsghdr* BuildProbe(void* buffer) {
  nlmsghdr* message = PutConfigHeader(buffer, 0, NLM_F_ACK);
  PutCommand(message, NFQNL_CFG_CMD_PF_BIND);
  return message;
}

OpenResult OpenQueue(NetlinkSocket& socket, const QueueConfig& config) {
  OpenResult result;
  if ((result.error = socket.Open(NETLINK_NETFILTER))) {
    result.failed = OpenStep::kSocket;
    return result;
  }
  result.receive_buffer = socket.SetReceiveBuffer(config.receive_buffer);
  // Both options are as old as Linux 4.3. NO_ENOBUFS is set because FAIL_OPEN deals with a full buffer, so we
  // need not hear of it.
  if ((result.error = socket.SetOption(NETLINK_NO_ENOBUFS)) ||
      (result.error = socket.SetOption(NETLINK_CAP_ACK)) || (result.error = socket.BindAndConnect())) {
    result.failed = OpenStep::kSocket;
    return result;
  }

  alignas(nlmsghdr) char buffer[kConfigBytes];
  if ((result.error = socket.Request(BuildBind(buffer, config)))) {
    // EPERM means "not privileged" as well as "taken by another socket" (nfqnl_recv_config). The probe tells
    // which of the two. Capability bits would not, since they say nothing about the user namespace that owns
    // this network namespace.
    const bool privileged = result.error != EPERM || socket.Request(BuildProbe(buffer)) == 0;
    result.failed = privileged ? OpenStep::kBind : OpenStep::kPrivilege;
  }
  return result;
}

}  // namespace wanmark
