#!/bin/sh
# Checks the form of every source file; changes nothing. Set-up comes first (setup.sh lint).
set -eu
cd "$(dirname "$0")/.."

npx --no-install biome ci --error-on-warnings .
git ls-files -co --exclude-standard '*.c' '*.cc' '*.h' | xargs clang-format --dry-run -Werror
git ls-files -co --exclude-standard '*.sh' .ci/run | xargs shellcheck
