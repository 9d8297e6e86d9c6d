// Sends datagrams to a unix socket, which Node cannot. systemd wants to be told like this (sd_notify(3)).
#pragma once

#include <string>

namespace wanmark {

/**
 * Sends one datagram without waiting. A `path` that begins with @ is in the abstract namespace (unix(7)).
 * Returns 0 or a positive errno; EINVAL for a path that is too long.
 */
int SendUnixDatagram(const std::string& path, const std::string& data);

}  // namespace wanmark
