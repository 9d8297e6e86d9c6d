// flows ADDRESS ADDRESSES COUNT RATE TICK_US MOST FIRST: sends COUNT UDP datagrams, RATE a second, each a
// connection of its own.
//
// It sends to one port after the other of ADDRESSES addresses from ADDRESS on, in turn, so that no 5-tuple is
// used twice. FIRST is the number of connections that earlier runs made; this run continues there. Every
// TICK_US it sends what is due. With MOST above 0 it sends at most MOST datagrams at a time and stamps each
// one separately, so that time in which it had no CPU does not count as latency of the selector. A datagram
// contains its sending time: 8 bytes, nanoseconds of CLOCK_REALTIME, the clock of the kernel's arrival
// stamps. The output is the seconds it took, and its own CPU seconds.
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

enum { kFirstPort = 1024, kPorts = 60000, kFirstSource = 1024, kBurst = 64 };

static int source(int64_t number) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) die("socket");
  const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(kFirstSource + number)};
  if (bind(fd, (const struct sockaddr*)&address, sizeof address) != 0) die("bind");
  return fd;
}

int main(int argc, char** argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: flows ADDRESS ADDRESSES COUNT RATE TICK_US MOST FIRST\n");
    return 2;
  }
  struct in_addr address;
  if (inet_pton(AF_INET, argv[1], &address) != 1) die("address");
  const int addresses = atoi(argv[2]);
  const int64_t count = atoll(argv[3]), most = atoll(argv[6]), first = atoll(argv[7]);
  const int64_t together = most > 0 ? 1 : kBurst;
  const double rate = atof(argv[4]);
  const long tick = atol(argv[5]) * 1000;
  struct sockaddr_in to[kBurst];
  struct mmsghdr messages[kBurst];
  struct iovec parts[kBurst];
  int64_t stamps[kBurst];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < kBurst; i++) {
    to[i] = (struct sockaddr_in){.sin_family = AF_INET};
    parts[i] = (struct iovec){.iov_base = &stamps[i], .iov_len = sizeof stamps[i]};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  // Without this a sleep may take up to 50 us longer than asked for.
  prctl(PR_SET_TIMERSLACK, 1);
  int fd = -1;
  int64_t open = -1;
  const int64_t start = now(CLOCK_MONOTONIC);
  for (int64_t sent = 0; sent < count;) {
    int64_t due = (int64_t)((now(CLOCK_MONOTONIC) - start) * rate / 1e9) + 1;
    if (most > 0 && due > sent + most) due = sent + most;
    while (sent < due && sent < count) {
      const int64_t number = first + sent;
      if (number / kPorts != open) {
        if (fd >= 0) close(fd);
        open = number / kPorts;
        fd = source(open);
      }
      int burst = 0;
      const int64_t stamp = now(CLOCK_REALTIME);
      while (burst < together && sent + burst < due && sent + burst < count &&
             (number + burst) / kPorts == open) {
        to[burst].sin_addr.s_addr = htonl(ntohl(address.s_addr) + (number + burst) % addresses);
        to[burst].sin_port = htons(kFirstPort + (number + burst) % kPorts);
        stamps[burst++] = stamp;
      }
      const int done = sendmmsg(fd, messages, burst, 0);
      // A full device queue may lose datagrams; the receiver counts what arrives.
      if (done < 0 && errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED) die("sendmmsg");
      if (done > 0) sent += done;
    }
    if (sent < count) nanosleep(&(struct timespec){.tv_nsec = tick}, NULL);
  }
  printf("%.6f %.6f\n", (now(CLOCK_MONOTONIC) - start) / 1e9, now(CLOCK_PROCESS_CPUTIME_ID) / 1e9);
  return 0;
}
