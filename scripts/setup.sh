#!/bin/sh
# Makes a clone ready: setup.sh run|test|kernels|lint|bench|pack|deb|deb-lint
#
# Installs or builds what is missing and nothing else: Debian packages with apt-get (as root, and only when a program
# or header is absent), the npm packages of package-lock.json, the addon, the TypeScript. Without root a missing package
# is one line that names it. Safe to repeat; a second run takes a second or two. `lint` builds nothing. `pack` prepares
# npm's tarball: it builds only the JavaScript of the package, since the user's machine builds the addon.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

purpose=${1:-run}
case $purpose in
run | test | kernels | lint | bench | pack | deb | deb-lint) ;;
*)
	echo "wanmark: setup.sh \"$purpose\" must be run, test, kernels, lint, bench, pack, deb or deb-lint" >&2
	exit 2
	;;
esac

missing=
# need PROGRAM PACKAGE
need() {
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

# need_system: installs the Debian packages that the purpose needs.
need_system() {
	case $purpose in
	pack) ;;
	lint)
		need shellcheck shellcheck
		need clang-format clang-format
		;;
	run) need_run ;;
	deb | deb-lint)
		need_run
		need_deb
		[ "$purpose" = deb ] || need lintian lintian
		;;
	test)
		need_run
		need_deb
		need conntrack conntrack
		need ping iputils-ping
		need busybox busybox
		need squid squid
		need nft nftables
		need ipset ipset
		need systemd-analyze systemd
		need dbus-daemon dbus
		/usr/bin/python3 -c 'import dbus, gi' 2>/dev/null || missing="$missing python3-dbus python3-gi"
		;;
	kernels)
		need_run
		need busybox busybox
		need mmdebstrap mmdebstrap
		need depmod kmod
		need qemu-system-x86_64 qemu-system-x86
		need xz xz-utils
		need zstd zstd
		;;
	bench)
		need_run
		need cc gcc
		need pkg-config pkg-config
		pkg-config --exists libmnl 2>/dev/null || missing="$missing libmnl-dev"
		need conntrack conntrack
		pkg-config --exists libnetfilter_queue 2>/dev/null || missing="$missing libnetfilter-queue-dev"
		;;
	esac
}

need_run() {
	need g++ g++
	need make make
	need python3 python3 # node-gyp runs it
	need iptables iptables
	need ip iproute2
	need nsenter util-linux
}

need_deb() {
	need dpkg-shlibdeps dpkg-dev
	need strip binutils
}

install_system() {
	if [ "$(id -u)" != 0 ]; then
		echo "wanmark: missing Debian packages:$missing; as root: apt-get install$missing" >&2
		exit 1
	fi
	echo "wanmark: installing$missing" >&2
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq update
	# shellcheck disable=SC2086 # a list of package names
	apt-get -qq install -y --no-install-recommends $missing >&2
}

# Only one set-up runs at a time, since two would build into the same folders.
exec 9<package.json
! command -v flock >/dev/null 2>&1 || flock 9

need_system
[ -z "$missing" ] || install_system

installed=node_modules/.package-lock.json
if ! [ -e "$installed" ] || [ -n "$(find package-lock.json -newer "$installed")" ]; then
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	touch "$installed"
fi
case $purpose in
lint) exit ;;
pack)
	node_modules/.bin/tsc -b src web
	exec node scripts/bundle.js
	;;
esac

addon=build/Release/nfqueue.node
if ! [ -e "$addon" ] || [ -n "$(find native binding.gyp -newer "$addon")" ]; then
	# The compiler's output matters only when the build fails.
	output=$(npm run --silent build:native 2>&1) || {
		echo "$output" >&2
		echo "wanmark: the addon does not build; the lines above say why" >&2
		exit 1
	}
	touch "$addon"
fi
npm run --silent build:ts

# Without the packages the tests that need them are skipped, and say so.
[ "$purpose" != test ] || sh test/helpers/packages.sh dist-test/packages || true

# The benchmark compares wanmark with an npm package, among others; nothing else needs that package.
others=bench/programs
rival=$others/node_modules/nfqueue/build/Release/nfqueue.node
if [ "$purpose" = bench ] && ! [ -e $rival ]; then
	output=$(npm ci --prefix $others --foreground-scripts --no-audit --no-fund --loglevel=error 2>&1) || true
	[ -e $rival ] || {
		echo "$output" >&2
		echo "wanmark: the npm package nfqueue does not build (see above); the benchmark goes on without it" >&2
	}
fi
