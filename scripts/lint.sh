#!/bin/sh
# Checks format and style of every source file without changing any. Set-up comes first (setup.sh lint).
#
# ShellCheck also reads the files that a script sources, which takes up to 16 s. So a script that has passed is skipped
# until it or a file that it may source changes, and several scripts are checked at a time.
set -eu
cd "$(dirname "$0")/.."

passed=node_modules/.cache/wanmark-shellcheck
mkdir -p "$passed"

# fingerprint FILE: prints a hash of all that ShellCheck's answer depends on.
fingerprint() {
	{
		shellcheck --version
		cat .shellcheckrc "$1"
		! grep -q '^[[:space:]]*\. ' "$1" || cat scripts/*.sh
	} | sha256sum | cut -d ' ' -f 1
}

# check_shell FILE
check_shell() {
	_stamp=$passed/$(fingerprint "$1")
	[ -e "$_stamp" ] || { shellcheck "$1" && : >"$_stamp"; }
}

# xargs starts this script again for each file.
if [ "${1-}" = --shell ]; then
	check_shell "$2"
	exit
fi

node_modules/.bin/biome ci --error-on-warnings .
git ls-files -co --exclude-standard '*.c' '*.cc' '*.h' | xargs clang-format --dry-run -Werror
# The slow files come last by name, so the order is reversed to start them first.
git ls-files -co --exclude-standard '*.sh' .ci/run | sort -r | xargs -n 1 -P "$(nproc)" sh scripts/lint.sh --shell
