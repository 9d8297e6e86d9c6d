#include "host/unix_datagram.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace wanmark {

int SendUnixDatagram(const std::string& path, const std::string& data) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // An abstract name needs no closing 0, so it may fill the whole field.
  const bool abstract = path.starts_with('@');
  const size_t limit = sizeof(address.sun_path) - (abstract ? 0 : 1);
  if (path.size() < 2 || path.size() > limit) return EINVAL;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (abstract) address.sun_path[0] = '\0';
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));

  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  ssize_t sent;
  do {
    sent = sendto(fd, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT, generic, length);
  } while (sent < 0 && errno == EINTR);
  const int error = sent < 0 ? errno : 0;
  close(fd);
  return error;
}

}  // namespace wanmark
