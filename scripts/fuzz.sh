#!/bin/sh
# Feeds random bytes to all that reads what others send: fuzz.sh [SECONDS]
#
# Each target runs for so long (60), with a seed of its own that is printed. WANMARK_FUZZ_SEED=N repeats what failed. In
# `npm test` each has two or three seconds.
set -eu
cd "$(dirname "$0")/.."

export WANMARK_FUZZ_SECONDS="${1:-60}"
[ -z "${WANMARK_FUZZ_SEED-}" ] || WANMARK_FUZZ_SECONDS=0
sh test/native/build.sh
exec node --enable-source-maps --test --test-concurrency=2 dist-test/unit/fuzz/*.test.js
