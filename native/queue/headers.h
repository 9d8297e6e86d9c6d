// Makes a FlowKey of IPv4, IPv6 and upper-layer headers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "queue/flow_key.h"

namespace wanmark {

/**
 * Reads the headers of a packet that begins at `data` with its network header. `family` is 4 or 6, as
 * netfilter says. A packet gives family 0 where its version field says otherwise, or where it ends before its
 * addresses do. Any bytes are safe; nothing at or after `data + size` is read.
 */
FlowKey ParseHeaders(const uint8_t* data, size_t size, int family);

}  // namespace wanmark
