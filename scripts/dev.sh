#!/bin/sh
# Builds, runs the chosen tests, and does both again after each change: dev.sh [NAME...]
#
# A NAME picks tests as in test.sh; without a NAME it only builds. It watches all files that a build or a test reads.
# Ctrl-C ends it together with everything it has started.
set -eu
cd "$(dirname "$0")/.."

SOURCES='src test native scripts examples docs README.md package.json package-lock.json binding.gyp tsconfig.json
	tsconfig.base.json'

if [ $# -gt 0 ]; then purpose="test"; else purpose="run"; fi
seen=$(mktemp)
round=

# end_round: ends the round's process group, with SIGTERM first.
end_round() {
	kill -TERM "-$round" 2>/dev/null || kill -TERM "$round" 2>/dev/null || return 0
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		kill -0 "-$round" 2>/dev/null || return 0
		sleep 0.3
	done
	kill -KILL "-$round" 2>/dev/null || true
}

finish() {
	trap '' HUP INT TERM
	[ -z "$round" ] || end_round
	rm -f "$seen"
	exit 130
}
trap finish HUP INT TERM

while true; do
	# Taken before the round, so that a change made during it triggers another.
	touch "$seen"
	# A round is a process group, so that it can be ended as a whole. It runs in the background because a shell that waits
	# for a foreground command handles signals only after the command has ended.
	# shellcheck disable=SC2016 # for the inner shell
	setsid sh -c 'sh scripts/setup.sh "$0" && { [ $# -eq 0 ] || exec sh scripts/test.sh "$@"; }' "$purpose" "$@" &
	round=$!
	wait "$round" && result=passed || result=failed
	round=
	echo "wanmark: $result; waiting for a change, Ctrl-C ends"
	# shellcheck disable=SC2086 # a list of paths without spaces
	while [ -z "$(find $SOURCES -newer "$seen" -print -quit)" ]; do sleep 0.3; done
done
