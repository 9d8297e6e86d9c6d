// Functions that all programs of this folder use.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/** The time of a clock, in nanoseconds. */
static inline int64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/** Prints that `what` failed, with the reason in errno, and ends the program with exit code 1. */
static inline void die(const char* what) {
  perror(what);
  exit(1);
}
