// connects ADDRESS PORT PORTS COUNT RATE FIRST: makes COUNT TCP connections, RATE a second, and closes each
// at once.
//
// It closes with a reset (SO_LINGER of 0 s), so that no port stays in TIME_WAIT. The server listens on PORTS
// ports from PORT on; with the source ports of one address, a 5-tuple comes again only after 60,000 times
// PORTS connections. FIRST is the number of connections that earlier runs made; this run continues there.
// The output is the seconds it took to start all of them, its own CPU seconds, and how many connects
// succeeded, how many of these took longer than half a second (because a SYN was lost, which is sent again
// after 1 s by RFC 6298), and how many failed.
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

enum { kFirstSource = 1024, kSources = 60000, kEvents = 256, kSlowMs = 500, kPatienceMs = 5000 };

static int64_t* started;  // start in nanoseconds by file descriptor; 0 where no connect is under way
static long descriptors;
static int64_t succeeded, slow, failed, under_way;

static void allow_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) die("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) die("setrlimit");
  descriptors = limit.rlim_max < (1 << 20) ? (long)limit.rlim_max : 1 << 20;
  started = calloc(descriptors, sizeof *started);
  if (started == NULL) die("calloc");
}

static void begin(int all, int64_t number, struct sockaddr_in to, int ports) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  if (fd < 0 || fd >= descriptors) die("socket");
  const struct linger reset = {.l_onoff = 1};
  const struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_port = htons(kFirstSource + number % kSources)};
  to.sin_port = htons(ntohs(to.sin_port) + number / kSources % ports);
  if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) die("SO_LINGER");
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) die("SO_REUSEADDR");
  if (bind(fd, (const struct sockaddr*)&from, sizeof from) != 0) die("bind");
  const int64_t start = now(CLOCK_MONOTONIC);
  if (connect(fd, (const struct sockaddr*)&to, sizeof to) != 0 && errno != EINPROGRESS) {
    failed++;
    close(fd);
    return;
  }
  struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
  if (epoll_ctl(all, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  started[fd] = start;
  under_way++;
}

static void end(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) die("SO_ERROR");
  if (error != 0)
    failed++;
  else
    succeeded++;
  if (error == 0 && now(CLOCK_MONOTONIC) - started[fd] > kSlowMs * INT64_C(1000000)) slow++;
  under_way--;
  close(fd);
}

static void end_those_that_can(int all) {
  struct epoll_event events[kEvents];
  const int got = epoll_wait(all, events, kEvents, 1);
  if (got < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < got; i++) end(events[i].data.fd);
}

int main(int argc, char** argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: connects ADDRESS PORT PORTS COUNT RATE FIRST\n");
    return 2;
  }
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) die("address");
  const int ports = atoi(argv[3]);
  const int64_t count = atoll(argv[4]), first = atoll(argv[6]);
  const double rate = atof(argv[5]);
  allow_descriptors();
  const int all = epoll_create1(0);
  if (all < 0) die("epoll_create1");
  const int64_t start = now(CLOCK_MONOTONIC);
  for (int64_t made = 0; made < count; end_those_that_can(all)) {
    const int64_t due = (int64_t)((now(CLOCK_MONOTONIC) - start) * rate / 1e9) + 1;
    while (made < due && made < count) begin(all, first + made++, to, ports);
  }
  const int64_t made = now(CLOCK_MONOTONIC);
  while (under_way > 0 && now(CLOCK_MONOTONIC) - made < kPatienceMs * INT64_C(1000000))
    end_those_that_can(all);
  printf("%.6f %.6f %lld %lld %lld\n", (made - start) / 1e9, now(CLOCK_PROCESS_CPUTIME_ID) / 1e9,
         (long long)succeeded, (long long)slow, (long long)(failed + under_way));
  return 0;
}
