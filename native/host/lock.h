// A lock that other programs take, too: flock(2) on a file that is there.
#pragma once

namespace wanmark {

/** Opens `path` and takes the lock at once. `descriptor` holds it until it is closed. 0 or errno,
 * EWOULDBLOCK: taken. */
int TryLock(const char* path, int& descriptor);

}  // namespace wanmark
