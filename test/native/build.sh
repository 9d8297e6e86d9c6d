#!/bin/sh
# Compiles the native tests with AddressSanitizer and UndefinedBehaviorSanitizer into build/sanitize and runs them. What
# no change of a source, a header or this file concerns is not compiled again.
#
#   test/native/build.sh            the core: parser, cache, messages, I/O thread
#   test/native/build.sh addon      builds the addon itself like that and prints the environment to run node in
#   SANITIZE=thread test/native/build.sh      another sanitizer
#
# Environment: CXX (g++), SANITIZE (address,undefined)
set -eu
cd "$(dirname "$0")/../.."

cxx=${CXX:-g++}
sanitize=${SANITIZE:-address,undefined}
out=build/sanitize/$(basename "$cxx")-$sanitize

# compile OUTPUT ARG...: the file is as old as the compiler's start, so that a source that changes meanwhile is newer.
compile() {
	output=$1
	shift
	: >"$output.began"
	"$cxx" -std=c++20 -g -O1 -Wall -Wextra -fno-omit-frame-pointer -fno-exceptions -fno-rtti \
		"-fsanitize=$sanitize" -fno-sanitize-recover=all -Inative \
		-o "$output.new" "$@" -pthread
	touch -r "$output.began" "$output.new"
	mv "$output.new" "$output"
}

# object_of SOURCE
object_of() {
	echo "$out/$(echo "${1#native/}" | sed 's|/|-|; s|cc$|o|')"
}

# Only js/ needs Node.
core_sources() {
	find native -name '*.cc' ! -path 'native/js/*'
}

# is_fresh FILE SOURCE...: tells whether the file is newer than the sources, all headers and this file.
is_fresh() {
	file=$1
	shift
	[ -e "$file" ] && [ -z "$(find "$@" test/native/build.sh -newer "$file")" ] &&
		[ -z "$(find native test/native -name '*.h' -newer "$file")" ]
}

# build_object SOURCE
build_object() {
	object=$(object_of "$1")
	is_fresh "$object" "$1" || compile "$object" -c "$1"
}

# build_and_run SOURCE: a test, with the core built already
build_and_run() {
	program=$out/$(basename "$1" .cc)
	objects=$(for source in $(core_sources); do object_of "$source"; done)
	# shellcheck disable=SC2086 # a list of words
	is_fresh "$program" "$1" $objects || compile "$program" "$1" $objects
	"$program"
	echo "ok $(basename "$1")"
}

# in_parallel PART: starts this script again for each source that is read, as many at a time as there are processors.
in_parallel() {
	xargs -n 1 -P "$(nproc)" sh test/native/build.sh "$1"
}

build_and_run_tests() {
	core_sources | in_parallel object
	find test/native -name '*_test.cc' | in_parallel test
}

# The headers are where node-gyp keeps them, or beside the node that runs.
node_headers() {
	for dir in "${npm_config_nodedir:-}/include/node" "$(dirname "$(command -v node)")/../include/node"; do
		if [ -e "$dir/node_api.h" ]; then
			echo "$dir"
			return
		fi
	done
	echo "build.sh: no node_api.h beside $(command -v node); set npm_config_nodedir to Node's prefix" >&2
	exit 1
}

build_addon() {
	headers=$(node_headers)
	node native/sources.cjs "$out/sources.h"
	compile "$out/nfqueue.node" -shared -fPIC -fvisibility=hidden \
		-DNODE_GYP_MODULE_NAME=nfqueue -DNAPI_VERSION=8 -DNAPI_DISABLE_CPP_EXCEPTIONS \
		-DNODE_ADDON_API_DISABLE_DEPRECATED -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS \
		"-I$headers" "-I$out" "-I$(node -p 'require("node-addon-api").include_dir')" native/*/*.cc
	# Node itself is not instrumented, so the runtime has to come first, and its own leaks are not ours.
	echo "WANMARK_ADDON=$PWD/$out/nfqueue.node"
	echo "LD_PRELOAD=$("$cxx" -print-file-name=libasan.so)"
	echo "ASAN_OPTIONS=detect_leaks=0"
}

mkdir -p "$out"
case ${1:-tests} in
tests) build_and_run_tests ;;
object) build_object "$2" ;;
test) build_and_run "$2" ;;
addon) build_addon ;;
*)
	echo "usage: $0 [tests|addon]" >&2
	exit 2
	;;
esac
