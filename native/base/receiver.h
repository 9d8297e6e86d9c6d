// Receives datagrams by recvmmsg(2) into buffers that are allocated once.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace wanmark {

class Receiver {
 public:
  Receiver(size_t datagrams, size_t datagram_bytes);
  // A Receiver cannot be copied, because its headers point into its buffers.
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  /**
   * Takes the datagrams that are there, without waiting. Returns their number, or -errno; -EAGAIN means that
   * there is none. The call is repeated after EINTR.
   */
  int Receive(int fd);
  /** Returns datagram `i` of the last Receive, cut to the buffer's size. Its address is divisible by 8. */
  std::span<const uint8_t> Datagram(size_t i) const;

 private:
  size_t datagram_bytes_;
  std::vector<uint8_t> buffers_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> headers_;
};

}  // namespace wanmark
