// A netlink socket. It opens, sends, receives and closes, and knows nothing of what the messages mean.
// Functions return 0 or a positive errno.
#pragma once

#include <linux/netlink.h>

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

  /**
   * Calls socket(2) with CLOEXEC and NONBLOCK; the socket is not bound yet. EPROTONOSUPPORT means that the
   * kernel has no such protocol.
   */
  int Open(int protocol);
  /**
   * Takes a port id and connects to the kernel. From then on the kernel refuses messages that other processes
   * address to this socket (netlink_getsockbyportid), so what is received needs no check of its sender.
   */
  int BindAndConnect();
  /** Switches on a boolean option of SOL_NETLINK. */
  int SetOption(int option);
  /**
   * Asks for a receive buffer of `bytes`, beyond net.core.rmem_max where that is allowed, and returns the
   * size that the kernel granted. The kernel doubles the value, because it counts its own bookkeeping in it
   * (socket(7)).
   */
  uint32_t SetReceiveBuffer(uint32_t bytes);

  /** Sends one datagram. It is repeated after EINTR; EAGAIN and ENOBUFS are for the caller to judge. */
  int Send(const void* data, size_t size);
  /**
   * Sends one message that has NLM_F_ACK and reads the answer. Queue packets may overtake the answer, because
   * the kernel delivers them from the moment of the BIND. In that case the request has succeeded, and
   * everything is left in the buffer for the regular reader: a packet that was read here would never get its
   * verdict.
   */
  int Request(const nlmsghdr* message);

  void Close();
  int fd() const { return fd_; }

 private:
  int Release();

  int fd_ = -1;
};

}  // namespace wanmark
