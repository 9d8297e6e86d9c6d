#include "host/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace wanmark {

int TryLock(const char* path, int& descriptor) {
  // Not inherited: a program that we start must not hold the lock for as long as it runs.
  descriptor = open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return errno;
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return 0;
  const int error = errno;
  close(descriptor);
  descriptor = -1;
  return error;
}

}  // namespace wanmark
