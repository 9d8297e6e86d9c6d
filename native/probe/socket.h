// A socket whose packets leave by one WAN. Its mark picks the routing table (`ip rule fwmark`), also where
// several WANs share a device and an address. Marked packets pass mangle OUTPUT untouched, so no strategy
// moves a probe. Functions return 0 or a positive errno.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace wanmark {

enum class ProbeKind { kTcp, kUdp, kEcho };

struct ProbeOptions {
  /** The address family: AF_INET or AF_INET6. */
  int family = AF_INET;
  ProbeKind kind = ProbeKind::kTcp;
  /** The whole packet mark; 0 for no mark. */
  uint32_t mark = 0;
  /** The device that the socket is bound to; empty for none. */
  std::string device;
  /** The source address, of `family`. When it is empty, the kernel chooses by the route. */
  std::string source;
  /**
   * TCP: a peer that answers the SYN gets a reset instead of the ACK when the socket is closed at once, so
   * its program accepts nothing.
   */
  bool half_open = false;
};

/** The step that failed, for the error that JS sees. */
enum class ProbeStep { kNone, kAddress, kSocket, kMark, kDevice, kSource, kConnect };

/** A probe's socket. It owns its descriptor. */
class ProbeSocket {
 public:
  ProbeSocket() = default;
  ProbeSocket(const ProbeSocket&) = delete;
  ProbeSocket& operator=(const ProbeSocket&) = delete;
  ~ProbeSocket() { Close(); }

  /**
   * Opens the socket with CLOEXEC and NONBLOCK, marked and bound as `options` say, TCP and UDP in any case.
   * After an error nothing stays open, and failed() tells the step.
   *
   * Echo uses a ping socket (icmp(7), SOCK_DGRAM), or a raw one where net.ipv4.ping_group_range forbids that.
   */
  int Open(const ProbeOptions& options);
  /**
   * Reads the address and the port that the socket is bound to. TCP and UDP have their port from Open() on,
   * before any packet leaves; the address of zeros stands for one that connecting will choose.
   */
  int Local(std::string& address, uint16_t& port) const;
  /**
   * Sets where Send() sends to. A UDP or a ping socket then receives from this peer alone. `port` may be 0.
   */
  int SetPeer(const std::string& address, uint16_t port);
  int Send(const void* data, size_t size);
  /**
   * Receives one message into `data` and sets `received` to its size. EAGAIN means that there is none; other
   * errors are what ICMP told of.
   */
  int Receive(void* data, size_t size, size_t& received);
  /**
   * Takes what ICMP told of from the error queue; a send may have taken it from Receive(). 0 means that there
   * is nothing.
   */
  int TakeError();

  void Close();
  /** Gives the descriptor away; the caller closes it. */
  int Release();
  int fd() const { return fd_; }
  /**
   * Whether this is a raw socket. Its IPv4 messages then begin with the IP header, and replies to others
   * come, too.
   */
  bool raw() const { return raw_; }
  ProbeStep failed() const { return failed_; }

 private:
  int OpenEcho();
  int Fail(ProbeStep step, int error);

  int fd_ = -1;
  int family_ = AF_INET;
  bool raw_ = false;
  ProbeKind kind_ = ProbeKind::kTcp;
  ProbeStep failed_ = ProbeStep::kNone;
  sockaddr_storage peer_{};
  socklen_t peer_size_ = 0;
};

}  // namespace wanmark
