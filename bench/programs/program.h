// What each program has.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/** Nanoseconds of a clock. */
static inline int64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/** Ends the program with 1: `what` failed, for the reason that errno has. */
static inline void die(const char* what) {
  perror(what);
  exit(1);
}
