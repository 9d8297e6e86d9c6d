#!/bin/sh
# Checks the form of every source file; changes nothing. Set-up comes first (setup.sh lint).
#
# ShellCheck reads what a script sources along with it, which takes up to 16 s. So a script that has passed is left out
# until it, or one that it may source, is another; and several are checked at a time.
set -eu
cd "$(dirname "$0")/.."

passed=node_modules/.cache/wanmark-shellcheck
mkdir -p "$passed"

# fingerprint FILE: of all that ShellCheck's answer depends on.
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

# xargs starts the script itself for each.
if [ "${1-}" = --shell ]; then
	check_shell "$2"
	exit
fi

node_modules/.bin/biome ci --error-on-warnings .
git ls-files -co --exclude-standard '*.c' '*.cc' '*.h' | xargs clang-format --dry-run -Werror
# The slow ones, which come last by name, first.
git ls-files -co --exclude-standard '*.sh' .ci/run | sort -r | xargs -n 1 -P "$(nproc)" sh scripts/lint.sh --shell
