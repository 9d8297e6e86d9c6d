// A socket that leaves by one WAN: its mark picks the routing table (`ip rule fwmark`), also where several
// WANs share a device and an address. Marked packets pass mangle OUTPUT untouched, so no strategy moves a
// probe. Functions return 0 or a positive errno.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace wanmark {

enum class ProbeKind { kTcp, kUdp, kEcho };

struct ProbeOptions {
  /** AF_INET or AF_INET6. */
  int family = AF_INET;
  ProbeKind kind = ProbeKind::kTcp;
  /** The whole packet mark; 0 for none. */
  uint32_t mark = 0;
  /** Empty: not bound to a device. */
  std::string device;
  /** Of `family`; empty: the kernel chooses by the route. */
  std::string source;
};

/** What failed, for the error that JS sees. */
enum class ProbeStep { kNone, kAddress, kSocket, kMark, kDevice, kSource, kConnect };

/** Owns its descriptor. */
class ProbeSocket {
 public:
  ProbeSocket() = default;
  ProbeSocket(const ProbeSocket&) = delete;
  ProbeSocket& operator=(const ProbeSocket&) = delete;
  ~ProbeSocket() { Close(); }

  /**
   * Opens it with CLOEXEC and NONBLOCK, marked and bound as `options` say. On an error nothing stays open and
   * failed() tells the step.
   *
   * Echo: a ping socket (icmp(7), SOCK_DGRAM), or where net.ipv4.ping_group_range forbids that a raw one.
   */
  int Open(const ProbeOptions& options);
  /** Where Send() sends; for UDP and ping sockets also the only peer that is received from. `port` may be 0.
   */
  int SetPeer(const std::string& address, uint16_t port);
  int Send(const void* data, size_t size);
  /** One message into `data`, its size in `received`. EAGAIN: there is none; others: what ICMP told of. */
  int Receive(void* data, size_t size, size_t& received);
  /** What ICMP told of, from the error queue: a send may have taken it from Receive(). 0: there is nothing.
   */
  int TakeError();

  void Close();
  /** Gives the descriptor away. */
  int Release();
  int fd() const { return fd_; }
  /** Whether it is a raw socket: IPv4 messages then begin with the IP header, and others' replies come too.
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
