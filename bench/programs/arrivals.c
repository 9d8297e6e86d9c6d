// arrivals DEVICE: measures how long the datagrams of `flows` are under way until they arrive at a device.
//
// It prints "ready" when it listens; at the end of standard input it prints the nanoseconds of each datagram,
// one a line, in order of arrival. A packet socket sees packets before the raw table drops them. The kernel
// stamps packets in its receive softirq (tpacket_rcv) and puts them into a ring that is read only at the end,
// so the figures contain neither later rules nor our own waking up, and we take no CPU time from what is
// measured. The exit code is 1 when the ring was too small.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

enum { kFrame = 128, kBlock = 1 << 16, kBlocks = 256, kFrames = kBlocks * (kBlock / kFrame) };

static const unsigned char* listen_on(int fd, const char* device) {
  const int version = TPACKET_V2;
  const struct tpacket_req ring = {
      .tp_block_size = kBlock, .tp_block_nr = kBlocks, .tp_frame_size = kFrame, .tp_frame_nr = kFrames};
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) die("PACKET_VERSION");
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) die("PACKET_RX_RING");
  void* frames = mmap(NULL, (size_t)kBlock * kBlocks, PROT_READ, MAP_SHARED, fd, 0);
  if (frames == MAP_FAILED) die("mmap");
  const struct sockaddr_ll where = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)if_nametoindex(device)};
  if (where.sll_ifindex == 0) die(device);
  if (bind(fd, (const struct sockaddr*)&where, sizeof where) != 0) die("bind");
  return frames;
}

static void print(const struct tpacket2_hdr* frame) {
  const unsigned char* packet = (const unsigned char*)frame + frame->tp_net;
  const size_t head = sizeof(struct iphdr) + sizeof(struct udphdr);
  if (frame->tp_len != head + sizeof(int64_t) || packet[9] != IPPROTO_UDP) return;
  int64_t sent;
  memcpy(&sent, packet + head, sizeof sent);
  printf("%lld\n", (long long)(frame->tp_sec * INT64_C(1000000000) + frame->tp_nsec - sent));
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: arrivals DEVICE\n");
    return 2;
  }
  const int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
  if (fd < 0) die("socket");
  const unsigned char* frames = listen_on(fd, argv[1]);
  puts("ready");
  fflush(stdout);
  char rest[64];
  while (read(0, rest, sizeof rest) > 0) continue;
  struct tpacket_stats stats;
  socklen_t length = sizeof stats;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) die("PACKET_STATISTICS");
  if (stats.tp_drops > 0) {
    fprintf(stderr, "%u packets more than the ring holds\n", stats.tp_drops);
    return 1;
  }
  for (size_t i = 0; i < kFrames; i++) {
    const struct tpacket2_hdr* frame = (const struct tpacket2_hdr*)(frames + i * kFrame);
    if (!(__atomic_load_n(&frame->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) break;
    print(frame);
  }
  return 0;
}
