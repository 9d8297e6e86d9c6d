// recvmmsg(2) into buffers that are allocated once.
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
  // The headers point into the buffers.
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  /** Takes what is there without waiting: the number of datagrams, or -errno (-EAGAIN: none). EINTR is
   * retried. */
  int Receive(int fd);
  /** Datagram `i` of the last Receive, cut to the buffer's size; its address is divisible by 8. */
  std::span<const uint8_t> Datagram(size_t i) const;

 private:
  size_t datagram_bytes_;
  std::vector<uint8_t> buffers_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> headers_;
};

}  // namespace wanmark
