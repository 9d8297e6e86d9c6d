#!/bin/sh
# Builds the addon for this machine into build/Release: `npm run build:native`, in a checkout or in an installed package.
#
# What is missing for that is said first, each in a line of its own, since node-gyp says it in fifty that name no package.
# Environment: CXX (g++), and npm_config_nodedir, a folder with Node's include/node; without that, node-gyp uses the
# headers beside the node that runs, or fetches them.
set -u
cd "$(dirname "$0")/.." || exit 1

missing=
# lacks WHAT DEBIAN ALPINE: names what is missing and the packages that have it.
lacks() {
	echo "wanmark: the addon cannot be built without $1 (Debian: apt-get install $2; Alpine: apk add $3)" >&2
	missing=1
}

has() { command -v "$1" >/dev/null 2>&1; }

# compiles CODE: whether the compiler takes it.
compiles() {
	# shellcheck disable=SC2086 # CXX may have arguments
	printf '%s\n' "$1" | $compiler -std=c++20 -fsyntax-only -x c++ - 2>/dev/null
}

compiler=${CXX:-g++}
if ! has "${compiler%% *}"; then
	lacks "a C++ compiler ($compiler)" g++ g++
elif ! compiles '#include <span>'; then
	lacks "a compiler for C++20 with its library ($compiler is not one)" g++ g++
elif ! compiles '#include <linux/netfilter/nfnetlink_queue.h>'; then
	lacks "the kernel's headers (linux/netfilter/nfnetlink_queue.h)" linux-libc-dev linux-headers
fi
has make || lacks make make make
has python3 || lacks "python3, which node-gyp runs on" python3 python3
if ! has node-gyp; then
	echo 'wanmark: node-gyp is not on the PATH; npm has one: npm run build:native' >&2
	missing=1
fi
node -e 'require("node-addon-api")' 2>/dev/null || {
	echo "wanmark: the package node-addon-api is not installed; run npm install in $PWD" >&2
	missing=1
}
[ -z "$missing" ] || exit 1

prefix=$(dirname "$(dirname "$(command -v node)")")
if [ -z "${npm_config_nodedir-}" ] && [ -e "$prefix/include/node/node_api.h" ]; then
	export npm_config_nodedir="$prefix"
fi
node-gyp configure && exec node-gyp build
