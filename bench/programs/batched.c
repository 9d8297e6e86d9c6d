// batched QUEUE MARK...: textbook.c, as fast as it gets without another design.
//
// It reads as many packets as there are with one recvmmsg() and answers them with one sendto(): nfnetlink
// takes as many messages as a buffer holds (netlink_rcv_skb). Only what a choice of round-robin needs is
// copied, and the queue's length and the socket's buffer are as large as wanmark's.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { kBatch = 64, kMessage = 1024, kCopy = 128, kLength = 8192, kReceiveBuffer = 8 << 20 };

static uint32_t marks[256];
static int count, next;
static uint16_t number;

static struct nlmsghdr* begin(void* buffer, int type) {
  struct nlmsghdr* message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | type;
  message->nlmsg_flags = NLM_F_REQUEST;
  struct nfgenmsg* head = mnl_nlmsg_put_extra_header(message, sizeof *head);
  head->nfgen_family = AF_UNSPEC;
  head->version = NFNETLINK_V0;
  head->res_id = htons(number);
  return message;
}

static int id_of(const struct nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) != NFQA_PACKET_HDR) return MNL_CB_OK;
  const struct nfqnl_msg_packet_hdr* header = mnl_attr_get_payload(attribute);
  *(uint32_t*)data = header->packet_id;
  return MNL_CB_STOP;
}

static size_t answer(char* out, const struct nlmsghdr* packet) {
  uint32_t id = 0;
  mnl_attr_parse(packet, sizeof(struct nfgenmsg), id_of, &id);
  struct nlmsghdr* message = begin(out, NFQNL_MSG_VERDICT);
  const struct nfqnl_msg_verdict_hdr verdict = {.verdict = htonl(NF_REPEAT), .id = id};
  mnl_attr_put(message, NFQA_VERDICT_HDR, sizeof verdict, &verdict);
  mnl_attr_put_u32(message, NFQA_MARK, htonl(marks[next]));
  next = (next + 1) % count;
  return MNL_ALIGN(message->nlmsg_len);
}

static void configure(struct mnl_socket* socket) {
  char buffer[kMessage];
  const struct nfqnl_msg_config_cmd bind = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_UNSPEC)};
  const struct nfqnl_msg_config_params copy = {.copy_range = htonl(kCopy), .copy_mode = NFQNL_COPY_PACKET};
  struct nlmsghdr* message = begin(buffer, NFQNL_MSG_CONFIG);
  mnl_attr_put(message, NFQA_CFG_CMD, sizeof bind, &bind);
  mnl_attr_put(message, NFQA_CFG_PARAMS, sizeof copy, &copy);
  mnl_attr_put_u32(message, NFQA_CFG_QUEUE_MAXLEN, htonl(kLength));
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) {
    perror("bind");
    exit(1);
  }
}

int main(int argc, char** argv) {
  for (int i = 2; i < argc; i++) marks[count++] = strtoul(argv[i], NULL, 0);
  if (count == 0) {
    fprintf(stderr, "usage: batched QUEUE MARK...\n");
    return 2;
  }
  number = (uint16_t)atoi(argv[1]);
  struct mnl_socket* socket = mnl_socket_open(NETLINK_NETFILTER);
  if (socket == NULL || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) return perror("socket"), 1;
  const int fd = mnl_socket_get_fd(socket), size = kReceiveBuffer;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  configure(socket);
  puts("ready");
  fflush(stdout);
  static char in[kBatch][kMessage] __attribute__((aligned(8)));
  static char out[kBatch * 128] __attribute__((aligned(8)));
  struct iovec parts[kBatch];
  struct mmsghdr messages[kBatch];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < kBatch; i++) {
    parts[i] = (struct iovec){.iov_base = in[i], .iov_len = sizeof in[i]};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  for (;;) {
    const int got = recvmmsg(fd, messages, kBatch, MSG_WAITFORONE, NULL);
    if (got < 0) {
      if (errno == ENOBUFS || errno == EINTR) continue;
      return perror("recvmmsg"), 1;
    }
    size_t length = 0;
    for (int i = 0; i < got; i++) {
      const struct nlmsghdr* packet = (const struct nlmsghdr*)in[i];
      if (packet->nlmsg_type == ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET))
        length += answer(out + length, packet);
    }
    if (length > 0 && mnl_socket_sendto(socket, out, length) < 0 && errno != ENOENT)
      return perror("sendto"), 1;
  }
}
