#include "base/receiver.h"

#include <algorithm>
#include <cerrno>

namespace wanmark {

Receiver::Receiver(size_t datagrams, size_t datagram_bytes)
    : datagram_bytes_((datagram_bytes + 7) & ~size_t{7}),
      buffers_(datagrams * datagram_bytes_),
      vectors_(datagrams),
      headers_(datagrams) {
  for (size_t i = 0; i < datagrams; i++) {
    vectors_[i] = {buffers_.data() + i * datagram_bytes_, datagram_bytes_};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

int Receiver::Receive(int fd) {
  int count;
  do {
    count = recvmmsg(fd, headers_.data(), headers_.size(), MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

std::span<const uint8_t> Receiver::Datagram(size_t i) const {
  const size_t size = std::min<size_t>(headers_[i].msg_len, datagram_bytes_);
  return {buffers_.data() + i * datagram_bytes_, size};
}

}  // namespace wanmark
