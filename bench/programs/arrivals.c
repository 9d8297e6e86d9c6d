// arrivals DEVICE: how long after they were sent the datagrams of `flows` arrive at a device.
//
// Says "ready" when it listens; at the end of standard input it writes the nanoseconds of each, a line each,
// in order of arrival. Packet sockets see what a raw table drops, and their stamps are taken in the receive
// softirq
// (__netif_receive_skb), so neither the rules behind nor our own waking up is part of the figure.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kMost = 4000000, kBuffer = 64 << 20 };

static void die(const char* what) {
  perror(what);
  exit(1);
}

static int listen_on(const char* device) {
  const int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
  if (fd < 0) die("socket");
  const int buffer = kBuffer, on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) die("SO_TIMESTAMPNS");
  const struct sockaddr_ll where = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)if_nametoindex(device)};
  if (where.sll_ifindex == 0) die(device);
  if (bind(fd, (const struct sockaddr*)&where, sizeof where) != 0) die("bind");
  return fd;
}

static int64_t stamp_of(struct msghdr* message) {
  for (struct cmsghdr* c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec t;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: arrivals DEVICE\n");
    return 2;
  }
  const int fd = listen_on(argv[1]);
  int64_t* waits = malloc(kMost * sizeof *waits);
  if (waits == NULL) die("malloc");
  size_t count = 0;
  puts("ready");
  fflush(stdout);
  struct pollfd both[] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  for (;;) {
    if (poll(both, 2, -1) < 0) die("poll");
    if (both[0].revents & POLLIN) {
      unsigned char packet[128], control[256];
      struct iovec part = {.iov_base = packet, .iov_len = sizeof packet};
      struct msghdr message = {
          .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
      const ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);
      const size_t head = sizeof(struct iphdr) + sizeof(struct udphdr);
      if (length == (ssize_t)(head + sizeof(int64_t)) && packet[9] == IPPROTO_UDP && count < kMost) {
        int64_t sent;
        memcpy(&sent, packet + head, sizeof sent);
        waits[count++] = stamp_of(&message) - sent;
      }
    } else if (both[1].revents) {
      char rest[64];
      if (read(0, rest, sizeof rest) <= 0) break;
    }
  }
  for (size_t i = 0; i < count; i++) printf("%lld\n", (long long)waits[i]);
  return 0;
}
