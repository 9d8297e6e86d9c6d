// textbook QUEUE MARK...: round-robin over marks, by the examples of libnetfilter_queue.
//
// Each packet takes one recv(), one nfq_handle_packet() and one verdict: NF_REPEAT with the mark, so that it
// runs with the same rules as wanmark. Unlike in the examples, a lost packet (ENOBUFS) does not end it.
#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static uint32_t marks[256];
static int count, next;

static int choose(struct nfq_q_handle* queue, struct nfgenmsg* message, struct nfq_data* packet, void* data) {
  (void)message;
  (void)data;
  const struct nfqnl_msg_packet_hdr* header = nfq_get_msg_packet_hdr(packet);
  const uint32_t mark = marks[next];
  next = (next + 1) % count;
  return nfq_set_verdict2(queue, ntohl(header->packet_id), NF_REPEAT, mark, 0, NULL);
}

int main(int argc, char** argv) {
  for (int i = 2; i < argc; i++) marks[count++] = strtoul(argv[i], NULL, 0);
  if (count == 0) {
    fprintf(stderr, "usage: textbook QUEUE MARK...\n");
    return 2;
  }
  struct nfq_handle* handle = nfq_open();
  if (handle == NULL) return perror("nfq_open"), 1;
  struct nfq_q_handle* queue = nfq_create_queue(handle, atoi(argv[1]), &choose, NULL);
  if (queue == NULL) return perror("nfq_create_queue"), 1;
  if (nfq_set_mode(queue, NFQNL_COPY_PACKET, 0xffff) < 0) return perror("nfq_set_mode"), 1;
  puts("ready");
  fflush(stdout);
  char buffer[65536 + 512] __attribute__((aligned));
  for (;;) {
    const ssize_t length = recv(nfq_fd(handle), buffer, sizeof buffer, 0);
    if (length >= 0)
      nfq_handle_packet(handle, buffer, (int)length);
    else if (errno != ENOBUFS && errno != EINTR)
      return perror("recv"), 1;
  }
}
