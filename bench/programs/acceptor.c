// acceptor PORT PORTS: accepts TCP connections on PORTS ports from PORT on; its peer is `connects`, which
// resets each of them.
//
// It prints "ready" when it listens. If it closed a connection first, the peer's connect could fail; so it
// closes a connection only when kHeld others have come after it.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

enum { kBacklog = 4096, kHeld = 512, kEvents = 64 };

static int held[kHeld], next;

static void listen_on(int all, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  if (fd < 0) die("socket");
  const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) die("SO_REUSEADDR");
  if (bind(fd, (const struct sockaddr*)&address, sizeof address) != 0) die("bind");
  if (listen(fd, kBacklog) != 0) die("listen");
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(all, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static void accept_all(int listener) {
  for (;;) {
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (fd < 0 && (errno == ECONNABORTED || errno == EINTR)) continue;
    if (fd < 0) die("accept4");
    if (held[next] > 0) close(held[next]);
    held[next] = fd;
    next = (next + 1) % kHeld;
  }
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: acceptor PORT PORTS\n");
    return 2;
  }
  const int all = epoll_create1(0);
  if (all < 0) die("epoll_create1");
  for (int i = 0; i < atoi(argv[2]); i++) listen_on(all, atoi(argv[1]) + i);
  puts("ready");
  fflush(stdout);
  struct epoll_event events[kEvents];
  for (;;) {
    const int got = epoll_wait(all, events, kEvents, -1);
    if (got < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < got; i++) accept_all(events[i].data.fd);
  }
}
