// A netlink socket: opens, sends, receives and closes, and knows nothing of what the messages mean.
// Functions return 0 or a positive errno.
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>

namespace wanmark {

class NetlinkSocket {
 public:
  NetlinkSocket() = default;
  /** Adopts an open descriptor; the tests hand in one end of a socketpair. */
  explicit NetlinkSocket(int fd) : fd_(fd) {}
  NetlinkSocket(NetlinkSocket&& other) noexcept : fd_(other.Release()) {}
  NetlinkSocket& operator=(NetlinkSocket&& other) noexcept;
  ~NetlinkSocket() { Close(); }

  /** socket(2) with CLOEXEC and NONBLOCK, not bound yet. EPROTONOSUPPORT: the kernel has no such protocol. */
  int Open(int protocol);
  /**
   * Takes a port id and talks to the kernel only: messages that another process addresses to us are refused
   * by the kernel (netlink_getsockbyportid), so what is received needs no check of its sender.
   */
  int BindAndConnect();
  /** A boolean option of SOL_NETLINK. */
  int SetOption(int option);
  /**
   * Asks for `bytes` of receive buffer, beyond net.core.rmem_max when we may, and returns what the kernel
   * granted. The kernel counts its own bookkeeping in it and therefore doubles the value (socket(7)).
   */
  uint32_t SetReceiveBuffer(uint32_t bytes);

  /** One datagram. EINTR is retried; EAGAIN and ENOBUFS are the caller's to judge. */
  int Send(const void* data, size_t size);
  /**
   * Sends one message that has NLM_F_ACK and reads the answer. Queue packets may overtake the answer, for the
   * kernel delivers from the moment of the BIND on: then the request has succeeded and everything is left in
   * the buffer for the regular reader, since a packet that is read here would never get its verdict.
   */
  int Request(const nlmsghdr* message);

  void Close();
  int fd() const { return fd_; }

 private:
  int Release();

  int fd_ = -1;
};

}  // namespace wanmark
